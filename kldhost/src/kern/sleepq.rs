//! Sleep queues: threads that wait on an address, sleepqueue(9).
//!
//! Locks use them also. The wait message of an sx lock is its name. A mutex has none, and a thread
//! that waits for one counts as running.
//!
//! Lock order: a bucket's queue, then [`Thread::wait`] of a thread.

use std::collections::VecDeque;

use super::thread::{Thread, Wake};
use crate::machine::sync::atomic::AtomicUsize;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{self, Arc, Mutex, MutexGuard};

const BUCKETS: usize = 128;

/// Which of the queues of an address: sleepers have one, locks two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Sleepers, and threads that wait for a lock exclusively.
    First,
    /// Threads that wait for a lock shared.
    Shared,
}

/// A thread in a queue.
struct Waiter {
    chan: usize,
    queue: Queue,
    td: Arc<Thread>,
}

#[derive(Default)]
struct Bucket {
    /// The length of `queue`, to be read without the lock.
    count: AtomicUsize,
    queue: Mutex<VecDeque<Waiter>>,
}

/// The sleep queues of a kernel.
pub struct SleepQueues(Box<[Bucket]>);

impl Default for SleepQueues {
    fn default() -> SleepQueues {
        SleepQueues((0..BUCKETS).map(|_| Bucket::default()).collect())
    }
}

/// The queues that `chan` is in, locked.
pub struct Chain<'a> {
    bucket: &'a Bucket,
    chan: usize,
    waiters: MutexGuard<'a, VecDeque<Waiter>>,
}

impl SleepQueues {
    fn bucket(&self, chan: usize) -> &Bucket {
        &self.0[(chan >> 4 ^ chan >> 11) % BUCKETS]
    }

    /// Locks the queues of `chan`.
    pub fn lock(&self, chan: usize) -> Chain<'_> {
        let bucket = self.bucket(chan);
        Chain {
            bucket,
            chan,
            waiters: bucket.queue.lock(),
        }
    }

    /// Wakes all sleepers on `chan`, oldest first.
    pub fn wakeup(&self, chan: usize) {
        // A sleeper is counted before it releases its lock. The thread that holds that lock now
        // therefore finds it.
        if self.bucket(chan).count.load(SeqCst) != 0 {
            self.lock(chan).wake(Queue::First, usize::MAX);
        }
    }

    /// Wakes one sleeper on `chan`, if there is any. FreeBSD chooses the one with the highest
    /// priority, which a module cannot control: see [`sync::choose`].
    pub fn wakeup_one(&self, chan: usize) {
        if self.bucket(chan).count.load(SeqCst) != 0 {
            let mut chain = self.lock(chan);
            chain.advance(sync::choose(chain.sleepers()));
            chain.wake(Queue::First, 1);
        }
    }

    /// Wait channels with sleepers, of those for which `wanted` returns true, with the sleepers.
    pub fn sleepers(&self, wanted: impl Fn(usize) -> bool) -> Vec<(usize, Arc<Thread>)> {
        let in_use = self
            .0
            .iter()
            .filter(|bucket| bucket.count.load(SeqCst) != 0);
        let all = in_use.flat_map(|bucket| {
            bucket
                .queue
                .lock()
                .iter()
                .map(|w| (w.chan, w.td.clone()))
                .collect::<Vec<_>>()
        });
        all.filter(|(chan, _)| wanted(*chan)).collect()
    }
}

impl Chain<'_> {
    /// Whether a thread waits in this queue.
    pub fn any(&self, queue: Queue) -> bool {
        self.waiters
            .iter()
            .any(|w| w.chan == self.chan && w.queue == queue)
    }

    /// How many sleep here.
    fn sleepers(&self) -> usize {
        self.waiters
            .iter()
            .filter(|w| w.chan == self.chan && w.queue == Queue::First)
            .count()
    }

    /// Moves the sleeper with this index before all others.
    fn advance(&mut self, index: usize) {
        let mut sleepers = self
            .waiters
            .iter()
            .enumerate()
            .filter(|(_, w)| w.chan == self.chan && w.queue == Queue::First);
        if let Some((at, _)) = sleepers.nth(index)
            && let Some(waiter) = self.waiters.remove(at)
        {
            self.waiters.push_front(waiter);
        }
    }

    /// Puts the calling thread at the end of a queue.
    pub fn enqueue(&mut self, td: &Thread, queue: Queue) {
        td.wait.lock().wake = None;
        self.waiters.push_back(Waiter {
            chan: self.chan,
            queue,
            td: td.arc(),
        });
        self.bucket.count.store(self.waiters.len(), SeqCst);
    }

    /// Wakes up to `max` waiters, oldest first, and returns their number. A waiter that a signal
    /// has woken first does not count.
    pub fn wake(&mut self, queue: Queue, max: usize) -> usize {
        let mut woken = 0;
        let chan = self.chan;
        self.waiters.retain(|waiter| {
            if woken == max || waiter.chan != chan || waiter.queue != queue {
                return true;
            }
            if waiter.td.wake(Wake::Wakeup) {
                woken += 1;
            }
            false
        });
        self.bucket.count.store(self.waiters.len(), SeqCst);
        woken
    }

    /// Removes the calling thread. Returns false if it was not in the queue, because it has been
    /// woken.
    pub fn remove(&mut self, td: &Thread) -> bool {
        let before = self.waiters.len();
        self.waiters.retain(|waiter| !std::ptr::eq(&*waiter.td, td));
        self.bucket.count.store(self.waiters.len(), SeqCst);
        self.waiters.len() != before
    }
}

impl Thread {
    /// Makes the thread wake, if nothing has yet.
    pub fn wake(&self, why: Wake) -> bool {
        let mut wait = self.wait.lock();
        let first = wait.wake.is_none();
        if first {
            wait.wake = Some(why);
            self.woken.notify_one();
        }
        first
    }

    /// Makes the thread wake because the kernel is dead, whatever else may have.
    pub fn wake_dead(&self) {
        self.wait.lock().wake = Some(Wake::Dead);
        self.woken.notify_one();
    }
}
