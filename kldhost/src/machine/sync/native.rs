//! The engine of kldhost itself: the threads and the clock of the operating system.

pub use parking_lot::{Condvar, Mutex, MutexGuard};
pub use parking_lot::{Mutex as SleepMutex, MutexGuard as SleepMutexGuard};
pub use std::sync::{Arc, Weak, atomic};
pub use std::thread_local;
pub use std::time::{Duration, Instant};

/// Starts a thread. It is not joined: results come through an [`Arc`].
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name)
        .spawn(body)
        .expect("the operating system cannot start a thread");
}

/// Yields the processor, while waiting for something that is about to happen.
pub fn spin() {
    std::hint::spin_loop();
}

/// Another thread may run here, as far as the kernel is concerned. `at` names the place. Threads of
/// the operating system need no hint.
#[inline(always)]
pub fn switch(at: &'static str) {
    let _ = at;
}

/// As [`switch`]. If `may` returns true, the thread may also stay away here for any length of time.
/// Threads of the operating system do so without a hint, but rarely.
#[inline(always)]
pub fn stay(at: &'static str, may: impl FnOnce() -> bool) {
    let _ = (at, may);
}

/// The index of the sleeper to wake first, of `n` with the same priority: the oldest.
#[inline(always)]
pub fn choose(n: usize) -> usize {
    let _ = n;
    0
}
