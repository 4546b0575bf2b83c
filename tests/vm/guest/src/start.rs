//! Where the kernel enters the program, and what a program without a library needs.

use crate::freebsd::{files, kernel, processes, sysctl};
use crate::host::Lack;
use crate::modules;
use crate::{bench, cores, scenarios, tap};
use alloc::vec::Vec;
use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;
use linked_list_allocator::LockedHeap;
use suite::abi::O_RDWR;
use suite::sys::Disposition;

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "and rsp, -16",
    "call guest_main",
);

/// `signal(3)`: a system call that does not exist.
const SIGSYS: i32 = 12;

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
    // A system call that the kernel lacks is an error, and not the end.
    let _ = processes::sigaction(SIGSYS, Disposition::Ignore);
    if processes::getpid() == 1 {
        machine()
    }
    // SAFETY: what execve(2) left there, which stays as long as the process: a count, and pointers
    // to so many strings.
    let arguments =
        unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const c_char>(), *stack) };
    // SAFETY: the same.
    let arguments = arguments
        .iter()
        .skip(1)
        .map(|text| unsafe { CStr::from_ptr(*text) });
    program(&arguments.collect::<Vec<_>>())
}

/// The life of an ordinary process: 0 or 1, as all went well or not.
fn program(arguments: &[&'static CStr]) -> ! {
    let &[job, modules] = arguments else {
        tap::bail_out(format_args!(
            "two arguments are needed: test or bench, and the directory of the modules"
        ));
        processes::exit(2)
    };
    if let Err(error) = processes::become_reaper().and_then(|()| files::chdir(modules)) {
        tap::bail_out(format_args!("procctl, or chdir to {modules:?}: {error}"));
        processes::exit(1)
    }
    let cores = Err("core files would be left on this system".into());
    let well = run(job.to_bytes(), cores);
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
    // A machine without disks need not wait for their caches. It only ends later if it does.
    let _ = sysctl::set_int("kern.shutdown.poweroff_delay", 0);
    let job = kernel::kenv(c"echodev.job").unwrap_or_default();
    let cores = cores::set_up((&raw const MEMORY as usize, HEAP));
    match files::chdir(modules::DIRECTORY) {
        Ok(()) => drop(run(job.as_bytes(), cores)),
        Err(error) => tap::bail_out(format_args!("chdir: {error}")),
    }
    kernel::power_off()
}

/// Does what it is for, and says whether all went well.
fn run(job: &[u8], cores: Lack) -> bool {
    match job {
        b"bench" => bench::run_all(),
        b"preload" => scenarios::run_preloaded(),
        _ => scenarios::run_all(cores),
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    tap::bail_out(format_args!("process {}: {info}", processes::getpid()));
    if processes::getpid() == 1 {
        kernel::power_off()
    }
    processes::exit(101)
}
