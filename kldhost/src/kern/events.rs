//! Waiting, from outside of the kernel, for something to happen in it.

use super::Kern;
use super::thread::ThreadInfo;
use crate::machine::sync::atomic::AtomicUsize;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{Condvar, Duration, Instant, Mutex};

/// Notifies waiting threads that something has changed.
#[derive(Default)]
pub struct Events {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Events {
    /// Something has changed, so waiting threads check their condition again. Without waiting
    /// threads, this costs one load.
    pub fn notify(&self) {
        if self.waiting.load(SeqCst) != 0 {
            self.notify_always();
        }
    }

    /// As [`Events::notify`].
    pub fn notify_always(&self) {
        let _guard = self.lock.lock();
        self.changed.notify_all();
    }

    /// Waits until `look` returns a value; `None` after `limit`.
    pub fn wait<T>(
        &self,
        limit: Option<Duration>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        self.waiting.fetch_add(1, SeqCst);
        let mut guard = self.lock.lock();
        let mut found = look();
        while found.is_none() {
            let timed_out = match deadline {
                Some(deadline) => self.changed.wait_until(&mut guard, deadline).timed_out(),
                None => {
                    self.changed.wait(&mut guard);
                    false
                }
            };
            found = look();
            if timed_out {
                break;
            }
        }
        drop(guard);
        self.waiting.fetch_sub(1, SeqCst);
        found
    }
}

impl Kern {
    /// The threads that are in a system call, all at the same moment. A thread that is reported as
    /// sleeping has not been woken.
    pub fn thread_infos(&self) -> Vec<ThreadInfo> {
        let all = self.threads.all();
        // No other code takes the `wait` of two threads, so the order does not matter.
        let waits: Vec<_> = all.iter().map(|td| (td, td.wait.lock())).collect();
        waits
            .iter()
            .filter_map(|(td, wait)| td.info(wait))
            .collect()
    }

    /// See [`Kernel::wait_threads`](crate::Kernel::wait_threads).
    pub fn wait_threads(
        &self,
        limit: Duration,
        condition: &dyn Fn(&[ThreadInfo]) -> bool,
    ) -> Result<(), String> {
        let held = self
            .events
            .wait(Some(limit), || match condition(&self.thread_infos()) {
                true => Some(true),
                false => self.is_dead().then_some(false),
            });
        match held {
            Some(true) => Ok(()),
            Some(false) => Err("the kernel has panicked".to_string()),
            None => Err(format!(
                "after {limit:?}, the threads in the kernel are: {:?}",
                self.thread_infos()
            )),
        }
    }
}
