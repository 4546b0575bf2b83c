//! Where the kernel enters the program, and what a program without a library needs.

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::panic::PanicInfo;

use linked_list_allocator::LockedHeap;

use conformance::abi::O_RDWR;

use crate::freebsd::{files, kernel, processes};
use crate::host::Modules;
use crate::{bench, scenarios, tap};

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
    program(argument(1), argument(2), argument(3))
}

/// The life of an ordinary process: 0 or 1, as all went well or not.
fn program(job: Option<&CStr>, tested: Option<&CStr>, other: Option<&CStr>) -> ! {
    let (Some(job), Some(tested), Some(other)) = (job, tested, other) else {
        tap::bail_out(format_args!(
            "three arguments are needed: test or bench, the module's file, and that of the other module"
        ));
        processes::exit(2)
    };
    if let Err(error) = processes::become_reaper() {
        tap::bail_out(format_args!("procctl: {error}"));
        processes::exit(1)
    }
    let well = run(job.to_bytes(), tested, other);
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
    let job = kernel::kenv(c"echodev.job").unwrap_or_default();
    run(job.as_bytes(), c"/modules/echodev.ko", c"/modules/other.ko");
    kernel::power_off()
}

/// Does what it is for, and says whether all went well. The other module makes another `/dev/echo` for the tests; for the
/// benchmarks it is the C driver.
fn run(job: &[u8], tested: &CStr, other: &CStr) -> bool {
    match job {
        b"bench" => bench::run_all(tested, other),
        _ => scenarios::run_all(Modules { tested, squatter: other }),
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
