//! Where the kernel enters process 1, and what a program without a library needs.

use core::arch::global_asm;
use core::panic::PanicInfo;

use linked_list_allocator::LockedHeap;

use conformance::abi::O_RDWR;

use crate::freebsd::{files, kernel, processes};
use crate::{scenarios, tap};

global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call guest_main",);

/// Each process has its own copy, and pages of it only once they are written to.
const HEAP: usize = 96 << 20;
static mut MEMORY: [u8; HEAP] = [0; HEAP];

#[global_allocator]
static ALLOCATOR: LockedHeap = LockedHeap::empty();

#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    // SAFETY: the only use of MEMORY, once, before anything is allocated.
    unsafe { ALLOCATOR.lock().init((&raw mut MEMORY).cast(), HEAP) };
    // Process 1 begins without descriptors; these become 0, 1 and 2.
    for _ in 0..3 {
        if files::open(c"/dev/console", O_RDWR).is_err() {
            kernel::power_off();
        }
    }
    // It is the one that many busy processes wait for. No harm is done if it may not.
    let _ = processes::nice(-20);
    scenarios::run_all();
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
