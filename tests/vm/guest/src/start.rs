//! The entry point of the program, and the runtime that it needs without a library.

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

/// The heap. Each process has its own copy, whose pages are allocated when they are written.
const HEAP: usize = 96 << 20;
static mut MEMORY: [u8; HEAP] = [0; HEAP];

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();

/// `stack` is the address of the number of arguments, and pointers to them.
#[unsafe(no_mangle)]
extern "C" fn guest_main(stack: *const usize) -> ! {
    // SAFETY: the only use of MEMORY, once, before anything is allocated.
    unsafe { ALLOCATOR.lock().init((&raw mut MEMORY).cast(), HEAP) };
    // A system call that the kernel lacks fails, and does not end the program.
    let _ = processes::sigaction(SIGSYS, Disposition::Ignore);
    if processes::getpid() == 1 {
        machine()
    }
    // SAFETY: execve(2) has put a count and that many pointers to strings there, which are valid as
    // long as the process.
    let arguments =
        unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const c_char>(), *stack) };
    // SAFETY: the same.
    let arguments = arguments
        .iter()
        .skip(1)
        .map(|text| unsafe { CStr::from_ptr(*text) });
    program(&arguments.collect::<Vec<_>>())
}

/// The main function of an ordinary process. Returns 0 if all went well, and 1 otherwise.
fn program(arguments: &[&'static CStr]) -> ! {
    let &[job, modules] = arguments else {
        tap::bail_out(format_args!(
            "usage: init test|bench DIRECTORY, which has the modules"
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

/// The main function of process 1.
fn machine() -> ! {
    // Process 1 starts without descriptors, so these become 0, 1 and 2.
    for _ in 0..3 {
        if files::open(c"/dev/console", O_RDWR).is_err() {
            kernel::power_off();
        }
    }
    // Many busy processes wait for this one. The program also works without the priority.
    let _ = processes::nice(-20);
    // A machine without disks need not wait for their caches. Otherwise it only ends later.
    let _ = sysctl::set_int("kern.shutdown.poweroff_delay", 0);
    let job = kernel::kenv(c"echodev.job").unwrap_or_default();
    let cores = cores::set_up((&raw const MEMORY as usize, HEAP));
    match files::chdir(modules::DIRECTORY) {
        Ok(()) => drop(run(job.as_bytes(), cores)),
        Err(error) => tap::bail_out(format_args!("chdir: {error}")),
    }
    kernel::power_off()
}

/// Does the job, and returns whether all went well.
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
