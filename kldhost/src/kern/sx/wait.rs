//! The slow paths of sx locks: taking a lock that is held, and releasing one that is waited for.

use super::{EXCLUSIVE_WAITERS, FLAGS, ONE_SHARER, SHARED, SHARED_WAITERS, UNLOCKED, WAITERS};
use crate::abi::errno::Errno;
use crate::abi::layout::Lock;
use crate::kern::lock::lock_name;
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::sleepq::{Chain, Queue};
use crate::kern::thread::{Thread, Wmesg};
use crate::machine::sync;
use crate::machine::sync::atomic::Ordering::{self, Relaxed, Release};

/// The number of attempts to take a lock that is held, before the thread sleeps.
const SPINS: u32 = 100;

/// Whether the lock may be taken shared. Exclusive waiters go before new sharers.
fn free_for_shared(word: usize) -> bool {
    word & SHARED != 0 && (word & !FLAGS == 0 || word & EXCLUSIVE_WAITERS == 0)
}

/// Takes it shared, if it is free for that.
pub fn take_shared(sx: &Lock) -> bool {
    let mut word = sx.word.load(Relaxed);
    while free_for_shared(word) {
        match sx
            .word
            .compare_exchange_weak(word, word + ONE_SHARER, Ordering::Acquire, Relaxed)
        {
            Ok(_) => return true,
            Err(now) => word = now,
        }
    }
    false
}

/// Whether the lock may be taken exclusively.
fn free_for_exclusive(word: usize) -> bool {
    word & !WAITERS == UNLOCKED
}

/// Takes it exclusively, if it is free for that.
fn take_exclusive(td: &Thread, sx: &Lock) -> bool {
    let mut word = sx.word.load(Relaxed);
    while free_for_exclusive(word) {
        match sx.word.compare_exchange_weak(
            word,
            td.addr() | (word & WAITERS),
            Ordering::Acquire,
            Relaxed,
        ) {
            Ok(_) => return true,
            Err(now) => word = now,
        }
    }
    false
}

/// Takes the lock, and waits for it if necessary.
#[cold]
pub fn wait(td: &Thread, sx: &Lock, queue: Queue, catch: bool) -> Result<Result<(), Errno>, Stop> {
    let exclusive = queue == Queue::First;
    // ps(1) shows the name of the lock.
    let wmesg = Some(Wmesg::new(lock_name(sx).unwrap_or_default().as_bytes()));
    let how = Sleep {
        chan: sx.addr(),
        queue,
        catch,
        wmesg,
        deadline: None,
    };
    loop {
        for _ in 0..SPINS {
            if if exclusive {
                take_exclusive(td, sx)
            } else {
                take_shared(sx)
            } {
                return Ok(Ok(()));
            }
            sync::spin();
        }
        let mut chain = td.kernel().sleepq.lock(sx.addr());
        // From here on, a thread that releases the lock finds the bit set, and needs the lock of
        // the queues.
        let word = sx.word.fetch_or(
            if exclusive {
                EXCLUSIVE_WAITERS
            } else {
                SHARED_WAITERS
            },
            Relaxed,
        );
        if if exclusive {
            free_for_exclusive(word)
        } else {
            free_for_shared(word)
        } {
            update_bits(&chain, sx);
            continue;
        }
        chain.enqueue(td, queue);
        drop(chain);
        let result = td.kernel().block(td, &how)?;
        if result.is_err() {
            update_bits(&td.kernel().sleepq.lock(sx.addr()), sx);
            return Ok(result);
        }
    }
}

/// Releases an exclusively held lock, and leaves `word`. Wakes all shared waiters, or else one
/// exclusive waiter.
#[cold]
pub fn release_contested(td: &Thread, sx: &Lock, word: usize) {
    let mut chain = td.kernel().sleepq.lock(sx.addr());
    // While the lock is held exclusively, other threads change only the waiter bits, under the lock
    // of the queues.
    sx.word
        .store(word | (sx.word.load(Relaxed) & WAITERS), Release);
    if chain.wake(Queue::Shared, usize::MAX) == 0 && word == UNLOCKED {
        chain.wake(Queue::First, 1);
    }
    update_bits(&chain, sx);
}

/// Sets the waiter bits to match the queues.
pub fn update_bits(chain: &Chain<'_>, sx: &Lock) {
    let shared = if chain.any(Queue::Shared) {
        SHARED_WAITERS
    } else {
        0
    };
    let exclusive = if chain.any(Queue::First) {
        EXCLUSIVE_WAITERS
    } else {
        0
    };
    let mut word = sx.word.load(Relaxed);
    while let Err(now) = sx.word.compare_exchange_weak(
        word,
        (word & !WAITERS) | shared | exclusive,
        Relaxed,
        Relaxed,
    ) {
        word = now;
    }
}
