//! What a module finds behind %gs: the first field of `struct pcpu`, which `curthread` reads.
//!
//! Each thread of the operating system has one, in thread-local storage, and its GS base points there.

use std::arch::asm;
use std::cell::Cell;
use std::ptr::null;

use super::thread::Thread;

/// The start of `struct pcpu`, and what kldhost keeps behind it.
#[repr(C)]
struct Pcpu {
    /// `pc_curthread`, null in user mode.
    curthread: Cell<*const Thread>,
    /// Where the KPI call that was made last returns to; the entry code of each KPI function stores it.
    caller: Cell<usize>,
    gs_is_set: Cell<bool>,
}

/// The offset of `caller`, for the entry code.
pub const CALLER: usize = 8;
const _: () = assert!(std::mem::offset_of!(Pcpu, caller) == CALLER);

thread_local! {
    static PCPU: Pcpu =
        const { Pcpu { curthread: Cell::new(null()), caller: Cell::new(0), gs_is_set: Cell::new(false) } };
}

/// The kernel thread that runs here; null in user mode.
pub fn curthread() -> *const Thread {
    PCPU.with(|pcpu| pcpu.curthread.get())
}

/// Makes `thread` the one that runs here; null on return to user mode.
pub fn set_curthread(thread: *const Thread) {
    PCPU.with(|pcpu| {
        if !pcpu.gs_is_set.replace(true) {
            set_gs_base(pcpu);
        }
        pcpu.curthread.set(thread);
    });
}

/// The return address of the KPI call that was made last on this thread.
pub fn caller() -> usize {
    PCPU.with(|pcpu| pcpu.caller.get())
}

fn set_gs_base(pcpu: &Pcpu) {
    const ARCH_SET_GS: libc::c_long = 0x1001;
    let base: *const Pcpu = pcpu;
    // SAFETY: nothing else in a Linux process uses GS; the memory lives as long as the thread.
    let error = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) };
    assert_eq!(error, 0, "arch_prctl(ARCH_SET_GS)");
    let read: *const Thread;
    // SAFETY: reads the first field through the base just set.
    unsafe { asm!("mov {}, gs:[0]", out(reg) read, options(nostack, readonly)) };
    debug_assert_eq!(read, pcpu.curthread.get());
}
