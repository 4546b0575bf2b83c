//! The condition variable.

use parking_lot::{Mutex, MutexGuard};

use super::{Instant, execution};

/// A condition variable, to be used with a [`Mutex`].
#[derive(Default)]
pub struct Condvar(Mutex<Vec<usize>>);

/// Whether a wait has ended because its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether it has.
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition variable without waiters.
    pub const fn new() -> Condvar {
        Condvar(Mutex::new(Vec::new()))
    }

    /// Waits for a notification.
    pub fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.wait_for(guard, None);
    }

    /// Waits for a notification until `deadline`. The deadline is reached when no thread can run.
    pub fn wait_until<T>(
        &self,
        guard: &mut MutexGuard<'_, T>,
        deadline: Instant,
    ) -> WaitTimeoutResult {
        WaitTimeoutResult(self.wait_for(guard, Some(deadline)))
    }

    /// True if it was not notified.
    fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, deadline: Option<Instant>) -> bool {
        let me = execution::current();
        self.0.lock().push(me);
        MutexGuard::unlocked(guard, || execution::wait("asleep", deadline));
        let mut waiters = self.0.lock();
        let listed = waiters.iter().position(|&waiter| waiter == me);
        listed.map(|at| waiters.remove(at)).is_some()
    }

    /// Wakes the thread that has waited longest.
    pub fn notify_one(&self) {
        let mut waiters = self.0.lock();
        if !waiters.is_empty() {
            execution::wake(waiters.remove(0));
        }
    }

    /// Wakes all waiting threads.
    pub fn notify_all(&self) {
        self.0.lock().drain(..).for_each(execution::wake);
    }
}
