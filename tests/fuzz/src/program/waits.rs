//! The waits of an unloading module, which last exactly as long as there is a thread to wait for.

use super::Seen;
use kldhost::sync::{Arc, Duration, Instant, Mutex};
use kldhost::{Errno, Kernel, KpiHook, ThreadState};

/// Far more than any thread takes to get out of the module.
const BOUND: Duration = Duration::from_secs(30);

/// A module is being unloaded.
pub struct Unloading {
    pub kernel: Kernel,
    /// Whether a thread is in kevent(2).
    pub in_kevent: bool,
}

/// Reports the actions of the module, and makes its unloading exact. The module sleeps until
/// threads in kevent(2) have collected their events, or until a timeout. Without such threads,
/// there is nothing to wait for. The module also pauses for threads that it cannot see, until they
/// have left it. On a busy machine, that may not be long enough, so the hook waits for them.
pub fn hook(unloading: Arc<Mutex<Option<Unloading>>>, seen: Seen) -> KpiHook {
    /// The index of the timeout in the arguments of _sleep(9).
    const SBT: usize = 4;
    Arc::new(move |call| {
        seen(hash(call.name));
        let is_wait = call.name == "pause_sbt" || call.name == "_sleep" && call.args[SBT] != 0;
        if !is_wait {
            return None;
        }
        match &*unloading.lock() {
            Some(unloading) if call.name == "pause_sbt" => wait_others(&unloading.kernel),
            Some(unloading) if !unloading.in_kevent => {}
            _ => return None,
        }
        Some(Errno::EWOULDBLOCK.0.into())
    })
}

/// Waits until no thread but the caller runs in the kernel.
fn wait_others(kernel: &Kernel) {
    let end = Instant::now() + BOUND;
    let running = || {
        kernel
            .threads()
            .iter()
            .filter(|td| td.state == ThreadState::Running)
            .count()
    };
    while running() > 1 && Instant::now() < end {
        std::thread::yield_now();
    }
}

/// The FNV-1a hash of a name.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
