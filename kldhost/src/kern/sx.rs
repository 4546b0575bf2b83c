//! sx locks, sx(9). The lock word has FreeBSD's encoding, which `sx_xlocked()` and `sx_xholder()`
//! read.
//!
//! The waiter bits are set exactly while threads are in the queues of the lock, and change under
//! the queues' lock only.

use super::lock::{Acquire, lock_name};
use super::report::Stop;
use super::sleepq::{Chain, Queue, Sleep};
use super::thread::{Thread, Wmesg};
use crate::kpi::layout::{LO_CLASS_SX, Lock};
use crate::sync;
use crate::sync::atomic::Ordering::{self, Relaxed, Release};
use crate::syscall::errno::Errno;

const SHARED: usize = 0x01;
const SHARED_WAITERS: usize = 0x02;
const EXCLUSIVE_WAITERS: usize = 0x04;
const RECURSED: usize = 0x10;
const WAITERS: usize = SHARED_WAITERS | EXCLUSIVE_WAITERS;
const FLAGS: usize = 0x1f;
const ONE_SHARER: usize = 1 << 5;
/// `SX_LOCK_UNLOCKED`: shared by nobody.
pub const UNLOCKED: usize = SHARED;
/// `SX_LOCK_DESTROYED`.
pub const DESTROYED: usize = WAITERS;

/// How often a lock that is held is looked at again before its waiter goes to sleep.
const SPINS: u32 = 100;

/// `sx_xlock`, `sx_xlock_sig`.
///
/// # Errors
///
/// The inner one: with `catch`, EINTR or ERESTART when a signal came first.
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
        // One who shares it already does not queue behind those who wait for it to be free.
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
    // The last one out has to wake those who wait.
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
        // Exclusive waiters go first, since those who share have had their turn.
        if chain.wake(Queue::First, 1) == 0 {
            chain.wake(Queue::Shared, usize::MAX);
        }
        update_bits(&chain, sx);
    }
    Ok(())
}

/// `sx_try_upgrade`: false if others share it.
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

/// Whether the lock may be taken shared: those who wait for it exclusively go before others who
/// would join.
fn free_for_shared(word: usize) -> bool {
    word & SHARED != 0 && (word & !FLAGS == 0 || word & EXCLUSIVE_WAITERS == 0)
}

/// Takes it shared, if it is free for that.
fn take_shared(sx: &Lock) -> bool {
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

/// Takes the lock, waiting for it as long as it takes.
#[cold]
fn wait(td: &Thread, sx: &Lock, queue: Queue, catch: bool) -> Result<Result<(), Errno>, Stop> {
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
        // Whoever releases the lock from here on sees the bit, and needs the queues' lock.
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

/// Releases an exclusively held lock, leaving `word`, and wakes all who wait to share it, or else
/// one of the others.
#[cold]
fn release_contested(td: &Thread, sx: &Lock, word: usize) {
    let mut chain = td.kernel().sleepq.lock(sx.addr());
    // Nobody else changes the word of a lock that is held exclusively, but for the bits, under the
    // queues' lock.
    sx.word
        .store(word | (sx.word.load(Relaxed) & WAITERS), Release);
    if chain.wake(Queue::Shared, usize::MAX) == 0 && word == UNLOCKED {
        chain.wake(Queue::First, 1);
    }
    update_bits(&chain, sx);
}

/// Sets the waiter bits to what the queues say.
fn update_bits(chain: &Chain<'_>, sx: &Lock) {
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
