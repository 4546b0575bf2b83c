//! Everything in kldhost that blocks, and every thread it starts, goes through here, so that another engine can take
//! the place of the operating system's threads.

pub use parking_lot::{Condvar, Mutex, MutexGuard};
pub use std::sync::{Arc, Weak, atomic};
pub use std::time::{Duration, Instant};

/// Starts a thread. It is not joined: what it has to say comes through an [`Arc`].
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name).spawn(body).expect("the operating system has no thread left");
}

/// Lets others run while waiting for something that is about to happen.
pub fn spin() {
    std::hint::spin_loop();
}
