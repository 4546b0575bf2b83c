//! The per-CPU data that a module finds at %gs: the first field of `struct pcpu`, which `curthread`
//! reads.
//!
//! Each thread of the operating system has one, in thread-local storage, and its GS base points
//! there.

use std::arch::asm;
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null;

/// The state of the thread that runs here.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Running {
    /// `pc_curthread`, null in user mode.
    curthread: *const c_void,
    /// Where the KPI call that was made last returns to; the entry code of each KPI function stores
    /// it.
    caller: usize,
}

impl Running {
    /// A thread that has made no KPI call yet; null in user mode.
    pub const fn new(curthread: *const c_void) -> Running {
        Running {
            curthread,
            caller: 0,
        }
    }
}

/// The start of `struct pcpu`, followed by fields of kldhost.
#[repr(C)]
struct Pcpu {
    running: Cell<Running>,
    gs_is_set: Cell<bool>,
}

/// The offset of `caller`, for the entry code.
pub const CALLER: usize = 8;
const _: () = assert!(std::mem::offset_of!(Running, caller) == CALLER);

thread_local! {
    static PCPU: Pcpu =
        const { Pcpu { running: Cell::new(Running::new(null())), gs_is_set: Cell::new(false) } };
}

/// The state of the thread that runs here.
pub fn running() -> Running {
    PCPU.with(|pcpu| pcpu.running.get())
}

/// Sets the state of the thread that runs here.
pub fn set_running(running: Running) {
    PCPU.with(|pcpu| {
        if !pcpu.gs_is_set.replace(true) {
            set_gs_base(pcpu);
        }
        pcpu.running.set(running);
    });
}

/// The kernel thread that runs here; null in user mode.
pub fn curthread() -> *const c_void {
    running().curthread
}

/// The return address of the KPI call that was made last on this thread.
pub fn caller() -> usize {
    running().caller
}

fn set_gs_base(pcpu: &Pcpu) {
    const ARCH_SET_GS: libc::c_long = 0x1001;
    let base: *const Pcpu = pcpu;
    // SAFETY: nothing else in a Linux process uses GS. The memory lives as long as the thread.
    let error = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_SET_GS, base) };
    assert_eq!(error, 0, "arch_prctl(ARCH_SET_GS)");
    let read: *const c_void;
    // SAFETY: reads the first field through the base just set.
    unsafe { asm!("mov {}, gs:[0]", out(reg) read, options(nostack, readonly)) };
    debug_assert_eq!(read, pcpu.running.get().curthread);
}
