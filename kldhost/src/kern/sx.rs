//! sx locks, sx(9). The lock word has FreeBSD's encoding, which `sx_xlocked()` and `sx_xholder()`
//! read.
//!
//! The waiter bits are set exactly while threads are in the queues of the lock, and change under
//! the queues' lock only.

mod wait;

use super::lock::{Acquire, lock_name};
use super::report::Stop;
use super::sleepq::Queue;
use super::thread::Thread;
use crate::abi::errno::Errno;
use crate::abi::layout::{LO_CLASS_SX, Lock};
use crate::machine::sync::atomic::Ordering::{self, Relaxed, Release};
use wait::{release_contested, take_shared, update_bits, wait};

const SHARED: usize = 0x01;
const SHARED_WAITERS: usize = 0x02;
const EXCLUSIVE_WAITERS: usize = 0x04;
const RECURSED: usize = 0x10;
const WAITERS: usize = SHARED_WAITERS | EXCLUSIVE_WAITERS;
const FLAGS: usize = 0x1f;
const ONE_SHARER: usize = 1 << 5;
/// `SX_LOCK_UNLOCKED`: shared by no thread.
pub const UNLOCKED: usize = SHARED;
/// `SX_LOCK_DESTROYED`.
pub const DESTROYED: usize = WAITERS;

/// `sx_xlock`, `sx_xlock_sig`.
///
/// # Errors
///
/// The inner one: with `catch`, EINTR or ERESTART if a signal arrives first.
pub fn xlock(td: &Thread, call: &str, sx: &Lock, catch: bool) -> Result<Result<(), Errno>, Stop> {
    if td.check_acquire(
        call,
        sx,
        LO_CLASS_SX,
        Acquire {
            exclusive: true,
            may_block: true,
        },
    )? {
        td.recurse(sx, 1);
        sx.word.fetch_or(RECURSED, Relaxed);
        sx.lock_object.lo_data.fetch_add(1, Relaxed);
        return Ok(Ok(()));
    }
    if sx
        .word
        .compare_exchange(UNLOCKED, td.addr(), Ordering::Acquire, Relaxed)
        .is_err()
        && let Err(error) = wait(td, sx, Queue::First, catch)?
    {
        return Ok(Err(error));
    }
    td.acquired(sx, true);
    Ok(Ok(()))
}

/// `sx_try_xlock`: false if it is held.
pub fn try_xlock(td: &Thread, call: &str, sx: &Lock) -> Result<bool, Stop> {
    if td.holds(sx.addr()).is_some() && !sx.is_recursable() {
        return Ok(false);
    }
    if td.check_acquire(
        call,
        sx,
        LO_CLASS_SX,
        Acquire {
            exclusive: true,
            may_block: false,
        },
    )? {
        return xlock(td, call, sx, false).map(|result| result.is_ok());
    }
    let taken = sx
        .word
        .compare_exchange(UNLOCKED, td.addr(), Ordering::Acquire, Relaxed)
        .is_ok();
    if taken {
        td.acquired(sx, true);
    }
    Ok(taken)
}

/// `sx_slock`, `sx_slock_sig`.
///
/// # Errors
///
/// As for [`xlock`].
pub fn slock(td: &Thread, call: &str, sx: &Lock, catch: bool) -> Result<Result<(), Errno>, Stop> {
    td.check_acquire(
        call,
        sx,
        LO_CLASS_SX,
        Acquire {
            exclusive: false,
            may_block: true,
        },
    )?;
    if td.holds(sx.addr()).is_some() {
        // A thread that already shares it does not queue behind exclusive waiters.
        sx.word.fetch_add(ONE_SHARER, Ordering::Acquire);
    } else if !take_shared(sx)
        && let Err(error) = wait(td, sx, Queue::Shared, catch)?
    {
        return Ok(Err(error));
    }
    td.acquired(sx, false);
    Ok(Ok(()))
}

/// `sx_try_slock`: false if it is held exclusively.
pub fn try_slock(td: &Thread, call: &str, sx: &Lock) -> Result<bool, Stop> {
    if td.holds(sx.addr()).is_some_and(|held| held.exclusive) {
        return Ok(false);
    }
    td.check_acquire(
        call,
        sx,
        LO_CLASS_SX,
        Acquire {
            exclusive: false,
            may_block: false,
        },
    )?;
    let taken = take_shared(sx);
    if taken {
        td.acquired(sx, false);
    }
    Ok(taken)
}

/// `sx_xunlock`.
pub fn xunlock(td: &Thread, call: &str, sx: &Lock) -> Result<(), Stop> {
    td.check_release(call, sx, LO_CLASS_SX, true)?;
    if sx.word.load(Relaxed) & RECURSED != 0 {
        sx.lock_object.lo_data.fetch_sub(1, Relaxed);
        if td.recurse(sx, -1) == 0 {
            sx.word.fetch_and(!RECURSED, Relaxed);
        }
        return Ok(());
    }
    td.released(sx);
    if sx
        .word
        .compare_exchange(td.addr(), UNLOCKED, Release, Relaxed)
        .is_err()
    {
        release_contested(td, sx, UNLOCKED);
    }
    Ok(())
}

/// `sx_sunlock`.
pub fn sunlock(td: &Thread, call: &str, sx: &Lock) -> Result<(), Stop> {
    td.check_release(call, sx, LO_CLASS_SX, false)?;
    td.released(sx);
    let mut word = sx.word.load(Relaxed);
    // The last sharer has to wake the waiters.
    while word & !FLAGS != ONE_SHARER || word & WAITERS == 0 {
        match sx
            .word
            .compare_exchange_weak(word, word - ONE_SHARER, Release, Relaxed)
        {
            Ok(_) => return Ok(()),
            Err(now) => word = now,
        }
    }
    let mut chain = td.kernel().sleepq.lock(sx.addr());
    if sx.word.fetch_sub(ONE_SHARER, Release) & !FLAGS == ONE_SHARER {
        // Exclusive waiters go first, because the sharers have had their turn.
        if chain.wake(Queue::First, 1) == 0 {
            chain.wake(Queue::Shared, usize::MAX);
        }
        update_bits(&chain, sx);
    }
    Ok(())
}

/// `sx_try_upgrade`: false if other threads share it.
pub fn try_upgrade(td: &Thread, call: &str, sx: &Lock) -> Result<bool, Stop> {
    td.check_release(call, sx, LO_CLASS_SX, false)?;
    let _chain = td.kernel().sleepq.lock(sx.addr());
    let word = sx.word.load(Relaxed);
    let sole = word & !FLAGS == ONE_SHARER;
    let upgraded = td.addr() | (word & WAITERS);
    if !sole
        || sx
            .word
            .compare_exchange(word, upgraded, Ordering::Acquire, Relaxed)
            .is_err()
    {
        return Ok(false);
    }
    td.released(sx);
    td.acquired(sx, true);
    Ok(true)
}

/// `sx_downgrade`.
pub fn downgrade(td: &Thread, call: &str, sx: &Lock) -> Result<(), Stop> {
    td.check_release(call, sx, LO_CLASS_SX, true)?;
    if sx.word.load(Relaxed) & RECURSED != 0 {
        return Err(td.misuse(call, "the lock is recursed", lock_name(sx)));
    }
    td.released(sx);
    td.acquired(sx, false);
    release_contested(td, sx, UNLOCKED + ONE_SHARER);
    Ok(())
}
