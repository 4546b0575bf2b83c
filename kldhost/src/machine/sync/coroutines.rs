//! The engine of tests/schedules. Everything here belongs to one execution. A thread of the
//! operating system runs one execution at a time.
//!
//! A [`Mutex`] is never held over a switch, so it is an ordinary one. All memory accesses are
//! sequentially consistent here. Reordering by the processor is not explored.

mod clock;
mod condvar;
pub mod execution;
mod mutex;

use std::ptr::null;

use shuttle::rand::{RngCore, thread_rng};

use crate::machine::pcpu::{Running, running, set_running};

pub use clock::Instant;
pub use condvar::{Condvar, WaitTimeoutResult};
pub use execution::{fail, quiesce, stay, steps, switch};
pub use mutex::{SleepMutex, SleepMutexGuard};
pub use parking_lot::{Mutex, MutexGuard};
pub use shuttle::thread_local;
pub use std::sync::{Arc, Weak, atomic};
pub use std::time::Duration;

/// Starts a thread. It is not joined: results come through an [`Arc`].
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) {
    execution::name_thread(&name);
    let body = move || {
        // The thread that ran before has left its own value here.
        set_running(Running::new(null()));
        body();
    };
    // Starting a thread is a switch. No thread joins it. A successful execution ends only after all
    // of its threads.
    let running = running();
    shuttle::thread::Builder::new()
        .name(name)
        .spawn(body)
        .expect("shuttle always has a thread");
    set_running(running);
}

/// Yields to other threads, while waiting for something that is about to happen. Here it happens at
/// a switch.
pub fn spin() {}

/// The index of the sleeper to wake first, of `n`. Any sleeper may have the highest priority.
pub fn choose(n: usize) -> usize {
    if n < 2 {
        0
    } else {
        (thread_rng().next_u64() % n as u64) as usize
    }
}
