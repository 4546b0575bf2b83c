//! Where the kernel enters the program, and what a program without a library needs.

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;

use linked_list_allocator::LockedHeap;

use conformance::abi::O_RDWR;

use crate::freebsd::{files, kernel, processes};
use crate::host::Modules;
use crate::{scenarios, tap};

global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call guest_main",);

/// Each process has its own copy, and pages of it only once they are written to.
const HEAP: usize = 96 << 20;
static mut MEMORY: [u8; HEAP] = [0; HEAP];

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();

/// `stack` is where the kernel left the number of arguments, and pointers to them.
#[unsafe(no_mangle)]
extern "C" fn guest_main(stack: *const usize) -> ! {
    // SAFETY: the only use of MEMORY, once, before anything is allocated.
    unsafe { ALLOCATOR.lock().init((&raw mut MEMORY).cast(), HEAP) };
    if processes::getpid() == 1 {
        machine()
    }
    // SAFETY: what execve(2) left there, which stays as long as the process: a count, and pointers to so many strings.
    let arguments = unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const c_char>(), *stack) };
    // SAFETY: the same.
    let argument = |i: usize| arguments.get(i).map(|text| unsafe { CStr::from_ptr(*text) });
    program(argument(1), argument(2))
}

/// The life of an ordinary process: 0 or 1, as all went well or not.
fn program(tested: Option<&CStr>, squatter: Option<&CStr>) -> ! {
    let (Some(tested), Some(squatter)) = (tested, squatter) else {
        tap::bail_out(format_args!("two arguments are needed: the module's file, and that of another with /dev/echo"));
        processes::exit(2)
    };
    if let Err(error) = processes::become_reaper() {
        tap::bail_out(format_args!("procctl: {error}"));
        processes::exit(1)
    }
    let well = scenarios::run_all(Modules { tested, squatter });
    processes::exit(if well { 0 } else { 1 })
}

/// The life of process 1.
fn machine() -> ! {
    // It begins without descriptors; these become 0, 1 and 2.
    for _ in 0..3 {
        if files::open(c"/dev/console", O_RDWR).is_err() {
            kernel::power_off();
        }
    }
    // It is the one that many busy processes wait for. No harm is done if it may not.
    let _ = processes::nice(-20);
    scenarios::run_all(Modules { tested: c"/modules/echodev.ko", squatter: c"/modules/squat.ko" });
    kernel::power_off()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    tap::bail_out(format_args!("process {}: {info}", processes::getpid()));
    if processes::getpid() == 1 {
        kernel::power_off()
    }
    processes::exit(101)
}
