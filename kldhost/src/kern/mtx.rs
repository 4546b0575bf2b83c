//! Mutexes, mutex(9): `MTX_DEF`. The lock word has FreeBSD's encoding, which `mtx_owned()` reads.
//!
//! `CONTESTED` is set exactly while threads are in the lock's queue, and changes under the queue's
//! lock only.

use std::ffi::CStr;

use super::lock::Acquire;
use super::report::Stop;
use super::sleep::Sleep;
use super::sleepq::Queue;
use super::thread::Thread;
use crate::abi::layout::{LO_CLASS_MTX, LO_INITIALIZED, Lock, LockObject};
use crate::machine::sync;
use crate::machine::sync::atomic::Ordering::{self, Relaxed, Release};

/// `MTX_UNOWNED`.
pub const UNOWNED: usize = 0;
const RECURSED: usize = 1;
const CONTESTED: usize = 2;
/// `MTX_DESTROYED`.
pub const DESTROYED: usize = 4;

const SPINS: u32 = 100;

/// A mutex of the kernel's own.
pub fn new(name: &'static CStr) -> Lock {
    Lock {
        lock_object: LockObject {
            lo_name: name.as_ptr(),
            lo_flags: (LO_CLASS_MTX | LO_INITIALIZED).into(),
            lo_data: 0.into(),
            lo_witness: std::ptr::null_mut(),
        },
        word: UNOWNED.into(),
    }
}

/// `mtx_lock`.
pub fn lock(td: &Thread, call: &str, mtx: &Lock) -> Result<(), Stop> {
    if td.check_acquire(
        call,
        mtx,
        LO_CLASS_MTX,
        Acquire {
            exclusive: true,
            may_block: true,
        },
    )? {
        td.recurse(mtx, 1);
        mtx.word.fetch_or(RECURSED, Relaxed);
        mtx.lock_object.lo_data.fetch_add(1, Relaxed);
        return Ok(());
    }
    if mtx
        .word
        .compare_exchange(UNOWNED, td.addr(), Ordering::Acquire, Relaxed)
        .is_err()
    {
        wait(td, mtx)?;
    }
    td.acquired(mtx, true);
    Ok(())
}

/// `mtx_trylock`: false if another thread holds it.
pub fn trylock(td: &Thread, call: &str, mtx: &Lock) -> Result<bool, Stop> {
    if td.holds(mtx.addr()).is_some() && !mtx.is_recursable() {
        return Ok(false);
    }
    if td.check_acquire(
        call,
        mtx,
        LO_CLASS_MTX,
        Acquire {
            exclusive: true,
            may_block: false,
        },
    )? {
        lock(td, call, mtx)?;
        return Ok(true);
    }
    let taken = mtx
        .word
        .compare_exchange(UNOWNED, td.addr(), Ordering::Acquire, Relaxed)
        .is_ok();
    if taken {
        td.acquired(mtx, true);
    }
    Ok(taken)
}

/// `mtx_unlock`.
pub fn unlock(td: &Thread, call: &str, mtx: &Lock) -> Result<(), Stop> {
    td.check_release(call, mtx, LO_CLASS_MTX, true)?;
    if mtx.word.load(Relaxed) & RECURSED != 0 {
        mtx.lock_object.lo_data.fetch_sub(1, Relaxed);
        if td.recurse(mtx, -1) == 0 {
            mtx.word.fetch_and(!RECURSED, Relaxed);
        }
        return Ok(());
    }
    td.released(mtx);
    if mtx
        .word
        .compare_exchange(td.addr(), UNOWNED, Release, Relaxed)
        .is_err()
    {
        let mut chain = td.kernel().sleepq.lock(mtx.addr());
        chain.wake(Queue::First, 1);
        let contested = if chain.any(Queue::First) {
            CONTESTED
        } else {
            0
        };
        mtx.word.store(UNOWNED | contested, Release);
    }
    Ok(())
}

fn take(td: &Thread, mtx: &Lock) -> bool {
    let word = mtx.word.load(Relaxed);
    word & !CONTESTED == UNOWNED
        && mtx
            .word
            .compare_exchange(
                word,
                td.addr() | (word & CONTESTED),
                Ordering::Acquire,
                Relaxed,
            )
            .is_ok()
}

#[cold]
fn wait(td: &Thread, mtx: &Lock) -> Result<(), Stop> {
    let how = Sleep {
        chan: mtx.addr(),
        queue: Queue::First,
        catch: false,
        wmesg: None,
        deadline: None,
    };
    loop {
        for _ in 0..SPINS {
            if take(td, mtx) {
                return Ok(());
            }
            sync::spin();
        }
        let mut chain = td.kernel().sleepq.lock(mtx.addr());
        let word = mtx.word.fetch_or(CONTESTED, Relaxed);
        if word & !CONTESTED == UNOWNED {
            // The mutex was released before the bit was set. The bit only means that a thread may
            // be waiting. The next holder clears it.
            continue;
        }
        chain.enqueue(td, Queue::First);
        drop(chain);
        // Not interruptible and without a deadline, so it was woken.
        let _woken = td.kernel().block(td, &how)?;
    }
}
