//! The mutex that may be held where another thread runs.

use std::ops::{Deref, DerefMut};

use super::execution;

/// A mutex that may be held over a switch. Taking it is one.
#[derive(Default)]
pub struct SleepMutex<T> {
    inner: parking_lot::Mutex<T>,
    waiters: parking_lot::Mutex<Vec<usize>>,
}

/// The mutex, held.
pub struct SleepMutexGuard<'a, T> {
    mutex: &'a SleepMutex<T>,
    /// `None` only while it is dropped.
    inner: Option<parking_lot::MutexGuard<'a, T>>,
}

impl<T> SleepMutex<T> {
    /// A mutex over `value`.
    pub const fn new(value: T) -> SleepMutex<T> {
        SleepMutex {
            inner: parking_lot::Mutex::new(value),
            waiters: parking_lot::Mutex::new(Vec::new()),
        }
    }

    /// Locks the mutex. Any of the waiting threads may be the next.
    pub fn lock(&self) -> SleepMutexGuard<'_, T> {
        execution::switch("lock");
        loop {
            if let Some(inner) = self.inner.try_lock() {
                execution::count_lock(1);
                return SleepMutexGuard {
                    mutex: self,
                    inner: Some(inner),
                };
            }
            self.waiters.lock().push(execution::current());
            execution::wait("lock, held by another", None);
        }
    }
}

impl<T> Drop for SleepMutexGuard<'_, T> {
    fn drop(&mut self) {
        self.inner = None;
        execution::count_lock(-1);
        self.mutex
            .waiters
            .lock()
            .drain(..)
            .for_each(execution::wake);
    }
}

impl<T> Deref for SleepMutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for SleepMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().expect("held until it is dropped")
    }
}
