//! The first serial port, for the loader's own messages.

use core::arch::asm;
use core::fmt;

const COM1: u16 = 0x3f8;
const LINE_STATUS: u16 = COM1 + 5;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// Writes to the port.
pub struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while inb(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {}
            outb(COM1, byte);
        }
        Ok(())
    }
}

fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: reading the status of a serial port, or of no device at all, changes no memory.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

fn outb(port: u16, value: u8) {
    // SAFETY: sending a byte to a serial port, or to no device at all, changes no memory.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
    };
}
