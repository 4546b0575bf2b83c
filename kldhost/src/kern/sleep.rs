//! Sleeping, sleep(9).

use super::Kern;
use super::report::Stop;
use super::sleepq::Queue;
use super::thread::{Thread, Wake, Wmesg};
use crate::abi::errno::Errno;
use crate::machine::sync::{self, Instant};

/// How to sleep.
#[derive(Clone, Copy)]
pub struct Sleep {
    /// The address slept on.
    pub chan: usize,
    /// Which of its queues.
    pub queue: Queue,
    /// Whether signals end it, `PCATCH`.
    pub catch: bool,
    /// The wait message; `None` if it is not a sleep but a wait for a mutex.
    pub wmesg: Option<Wmesg>,
    /// The time when it ends without a wakeup.
    pub deadline: Option<Instant>,
}

impl Sleep {
    /// A sleep on `chan` that only wakeup(9) ends.
    pub fn on(chan: usize, wmesg: &str) -> Sleep {
        let wmesg = Some(Wmesg::new(wmesg.as_bytes()));
        Sleep {
            chan,
            queue: Queue::First,
            catch: false,
            wmesg,
            deadline: None,
        }
    }
}

impl Kern {
    /// Sleeps. The caller's lock is released by `unlock` once the thread is in the queue, so that
    /// no wakeup is missed.
    ///
    /// # Errors
    ///
    /// The inner result, in FreeBSD's terms: EWOULDBLOCK on timeout, EINTR or ERESTART on a signal.
    pub fn sleep(
        &self,
        td: &Thread,
        how: Sleep,
        unlock: impl FnOnce() -> Result<(), Stop>,
    ) -> Result<Result<(), Errno>, Stop> {
        self.sleepq.lock(how.chan).enqueue(td, how.queue);
        sync::switch("sleepq_add");
        unlock()?;
        self.block(td, &how)
    }

    /// Sleeps until `condition` returns true. Code that makes it true must call wakeup(9)
    /// afterwards.
    pub fn sleep_until(
        &self,
        td: &Thread,
        how: Sleep,
        condition: impl Fn() -> bool,
    ) -> Result<(), Stop> {
        while !condition() {
            self.sleepq.lock(how.chan).enqueue(td, how.queue);
            sync::switch("sleepq_add");
            // From here on, the thread that changes the condition finds a sleeper.
            if condition() {
                self.sleepq.lock(how.chan).remove(td);
                break;
            }
            // Neither a signal nor a deadline ends it.
            let _woken = self.block(td, &how)?;
        }
        Ok(())
    }

    /// Waits until the thread is woken. It must be in the queue that `how` names. On return, it is
    /// not.
    ///
    /// # Errors
    ///
    /// As for [`Kern::sleep`].
    pub fn block(&self, td: &Thread, how: &Sleep) -> Result<Result<(), Errno>, Stop> {
        sync::switch("sleepq_wait");
        let mut wait = td.wait.lock();
        if how.catch && wait.wake.is_none() {
            wait.wake = td.signal_error(&mut wait).map(Wake::Signal);
        }
        wait.catch = how.catch;
        wait.asleep = how.wmesg;
        if how.wmesg.is_some() {
            drop(wait);
            self.events.notify();
            sync::switch("sleepq_wait");
            wait = td.wait.lock();
        }
        let mut timed_out = false;
        while wait.wake.is_none() && !timed_out && !self.is_dead() {
            match how.deadline {
                Some(deadline) => timed_out = td.woken.wait_until(&mut wait, deadline).timed_out(),
                None => td.woken.wait(&mut wait),
            }
        }
        let why = wait.wake;
        wait.catch = false;
        wait.asleep = None;
        drop(wait);
        sync::switch("sleepq_wait");
        let still_queued = why != Some(Wake::Wakeup) && self.sleepq.lock(how.chan).remove(td);
        if how.wmesg.is_some() {
            self.events.notify();
            self.data.update_ticks(self.boot);
        }
        self.check_alive()?;
        Ok(match why {
            Some(Wake::Signal(error)) => Err(error),
            None if still_queued => Err(Errno::EWOULDBLOCK),
            _ => Ok(()),
        })
    }
}
