//! sleep(9).

use std::ffi::{c_char, c_int, c_void};

use super::{arg, kpi};
use crate::abi::errno::Errno;
use crate::abi::layout::{LO_CLASS_MTX, LO_CLASS_SX, Lock};
use crate::kern::lock::{c_string, lock_name};
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::sleepq::Queue;
use crate::kern::thread::{Thread, Wmesg};
use crate::kern::{mtx, sx};
use crate::machine::sync::{Duration, Instant};

/// `PCATCH`.
const PCATCH: c_int = 0x100;
/// `PDROP`.
const PDROP: c_int = 0x200;
/// `PNOLOCK`.
const PNOLOCK: c_int = 0x400;
/// `C_ABSOLUTE`.
const C_ABSOLUTE: c_int = 0x0200;
/// `C_CATCH`.
const C_CATCH: c_int = 0x0800;

/// `SIGDEFERSTOP_NOP`.
const SIGDEFERSTOP_NOP: c_int = 0;
/// `SIGDEFERSTOP_OFF`.
const SIGDEFERSTOP_OFF: c_int = 1;
/// `SIGDEFERSTOP_ERESTART`.
const SIGDEFERSTOP_ERESTART: c_int = 4;
/// `SIGDEFERSTOP_VAL_NCHG`.
const SIGDEFERSTOP_VAL_NCHG: c_int = -1;

/// When a sleep of `sbt` ends, in units of 2^-32 seconds; `None` for 0. It is rounded up, so that
/// binuptime(9) has reached an absolute time when the sleep ends.
fn deadline(td: &Thread, sbt: i64, flags: c_int) -> Option<Instant> {
    let sbt = u64::try_from(sbt).unwrap_or(0);
    let nanos = ((sbt & 0xffff_ffff) * 1_000_000_000).div_ceil(1 << 32);
    let start = if flags & C_ABSOLUTE != 0 {
        td.kernel().boot
    } else {
        Instant::now()
    };
    (sbt != 0).then(|| start + Duration::new(sbt >> 32, nanos as u32))
}

fn wmesg(text: *const c_char) -> Option<Wmesg> {
    Some(Wmesg::new(c_string(text).unwrap_or_default().as_bytes()))
}

/// `_sleep`, with `lock` null or an sx lock or mutex that is held.
fn sleep(td: &Thread, how: Sleep, lock: *const Lock, drop_it: bool) -> Result<c_int, Stop> {
    const CALL: &str = "_sleep";
    td.check_may_sleep(CALL, lock.addr())?;
    if how.chan == 0 {
        return Err(td.misuse(CALL, "the wait channel is a null pointer", None));
    }
    if lock.is_null() {
        return Ok(errno(td.kernel().sleep(td, how, || Ok(()))?));
    }
    let lock = arg(td, CALL, lock)?;
    let is_sx = lock.is_class(LO_CLASS_SX);
    if !is_sx && !lock.is_class(LO_CLASS_MTX) {
        return Err(td.misuse(CALL, "the lock is not initialised, or destroyed", None));
    }
    let Some(held) = td.holds(lock.addr()) else {
        return Err(td.misuse(
            CALL,
            "sleeps with a lock that is not held by this thread",
            lock_name(lock),
        ));
    };
    if held.recursed != 0 {
        return Err(td.misuse(CALL, "sleeps with a recursed lock", lock_name(lock)));
    }
    let result = td
        .kernel()
        .sleep(td, how, || match (is_sx, held.exclusive) {
            (true, true) => sx::xunlock(td, CALL, lock),
            (true, false) => sx::sunlock(td, CALL, lock),
            (false, _) => mtx::unlock(td, CALL, lock),
        })?;
    if !drop_it {
        let _interrupted_not = match (is_sx, held.exclusive) {
            (true, true) => sx::xlock(td, CALL, lock, false)?,
            (true, false) => sx::slock(td, CALL, lock, false)?,
            (false, _) => Ok(mtx::lock(td, CALL, lock)?),
        };
    }
    Ok(errno(result))
}

fn errno(result: Result<(), Errno>) -> c_int {
    result.map_or_else(|error| error.0, |()| 0)
}

kpi! {
    fn _sleep(
        td,
        chan: *const c_void,
        lock: *const Lock,
        priority: c_int,
        message: *const c_char,
        sbt: i64,
        _precision: i64,
        flags: c_int,
    ) -> c_int {
        let deadline = deadline(td, sbt, flags);
        if lock.is_null() && deadline.is_none() && priority & PNOLOCK == 0 {
            return Err(td.misuse("_sleep", "sleeps without a lock or a timeout: a wakeup may be missed", None));
        }
        let catch = priority & PCATCH != 0;
        let how = Sleep { chan: chan.addr(), queue: Queue::First, catch, wmesg: wmesg(message), deadline };
        sleep(td, how, lock, priority & PDROP != 0)
    }

    fn pause_sbt(td, message: *const c_char, sbt: i64, _precision: i64, flags: c_int) -> c_int {
        // 0 means one tick.
        let sbt = if sbt == 0 { td.kernel().data.tick_sbt() } else { sbt };
        // A wait channel without other users: the thread itself.
        let how = Sleep {
            chan: td.addr(),
            queue: Queue::First,
            catch: flags & C_CATCH != 0,
            wmesg: wmesg(message),
            deadline: deadline(td, sbt, flags),
        };
        sleep(td, how, std::ptr::null(), false)
    }

    fn sigdeferstop_impl(td, mode: c_int) -> c_int {
        // Stop signals are ignored here in any case. This only checks that the thread undoes its
        // mode.
        let stops = match mode {
            SIGDEFERSTOP_NOP => return Ok(SIGDEFERSTOP_VAL_NCHG),
            SIGDEFERSTOP_OFF => 0,
            _ if (SIGDEFERSTOP_OFF..=SIGDEFERSTOP_ERESTART).contains(&mode) => mode,
            _ => return Err(td.misuse("sigdeferstop", "no such mode", None)),
        };
        let before = td.own().stops.replace(stops);
        Ok(if before == stops { SIGDEFERSTOP_VAL_NCHG } else { before })
    }

    fn sigallowstop_impl(td, before: c_int) -> () {
        td.own().stops.set(before);
        Ok(())
    }

    fn wakeup(td, chan: *const c_void) -> () {
        td.kernel().sleepq.wakeup(chan.addr());
        Ok(())
    }

    fn wakeup_one(td, chan: *const c_void) -> () {
        td.kernel().sleepq.wakeup_one(chan.addr());
        Ok(())
    }

    fn wakeup_any(td, chan: *const c_void) -> () {
        td.kernel().sleepq.wakeup_one(chan.addr());
        Ok(())
    }
}
