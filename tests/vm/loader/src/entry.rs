//! The entry from QEMU, and the jump into the kernel.

use crate::load::{Entry, Error, Files, load};
use crate::multiboot::Machine;
use crate::serial::Serial;
use crate::staging::{KERNLOAD, Staging};
use core::arch::global_asm;
use core::fmt::Write;
use core::panic::PanicInfo;
use core::slice;

global_asm!(include_str!("entry.S"), options(att_syntax));

unsafe extern "C" {
    static loader_begin: u8;
    fn enter_kernel(entry: u64, modulep: u32, physfree: u32) -> !;
    fn halt() -> !;
}

/// Runs in long mode with interrupts off. `info` is that of Multiboot.
#[unsafe(no_mangle)]
extern "C" fn loader_main(info: u32) -> ! {
    // SAFETY: QEMU passed it, entry.S mapped the first GB, which contains all of it, and memory is
    // written only below it.
    let machine = unsafe { Machine::new(info) };
    match boot(&machine) {
        // SAFETY: the kernel, everything that it reads, and the page tables are in place. Nothing
        // of the loader is needed again.
        Ok(entry) => unsafe { enter_kernel(entry.entry, entry.modulep, entry.physfree) },
        Err(error) => stop(format_args!("{error}")),
    }
}

fn boot(machine: &Machine) -> Result<Entry, Error> {
    let file = |name| machine.file(name).ok_or(Error::Missing(name));
    let files = Files {
        kernel: file("kernel")?,
        env: file("kernel.env")?,
        mfs_root: file("mfs_root")?,
        module: machine.file("echodev.ko"),
    };
    let len = (&raw const loader_begin as usize) - KERNLOAD as usize;
    // SAFETY: the memory is mapped, nothing else uses it, and it is before the loader and the
    // files.
    let below = unsafe { slice::from_raw_parts_mut(KERNLOAD as usize as *mut u8, len) };
    load(&files, machine.memory(), &mut Staging::new(below))
}

fn stop(why: core::fmt::Arguments<'_>) -> ! {
    // Writing to the serial port does not fail.
    let _ = writeln!(Serial, "loader: {why}\r");
    // SAFETY: stops the processor; always possible here.
    unsafe { halt() }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}
