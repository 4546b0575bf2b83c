//! The waits of an unloading module: for exactly as long as there is somebody to wait for.

use super::Seen;
use kldhost::sync::{Arc, Duration, Instant, Mutex};
use kldhost::{Errno, Kernel, KpiHook, ThreadState};

/// Far more than any thread takes to get out of the module.
const BOUND: Duration = Duration::from_secs(30);

/// A module is being unloaded.
pub struct Unloading {
    pub kernel: Kernel,
    /// Whether anybody is in kevent(2).
    pub in_kevent: bool,
}

/// Tells what the module does, and takes the guesswork out of its unloading. It sleeps until those
/// in kevent(2) have looked at their events, or a timeout: where nobody is, there is nothing to
/// wait for. And it pauses, for threads that it cannot see to get out of it; on a busy machine that
/// may not be long enough, so they are waited for here.
pub fn hook(unloading: Arc<Mutex<Option<Unloading>>>, seen: Seen) -> KpiHook {
    /// Which argument of _sleep(9) is the timeout.
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

/// Waits until nobody but the caller runs in the kernel.
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

/// A number for a name: FNV-1a.
pub fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
