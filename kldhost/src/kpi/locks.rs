//! sx(9) and mutex(9).

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

use super::{arg, arg_mut, kpi};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::kern::{lock, mtx, sx};

/// `SX_RECURSE`.
const SX_RECURSE: c_int = 0x20;
/// `SX_INTERRUPTIBLE`.
const SX_INTERRUPTIBLE: c_int = 0x40;
/// `MTX_SPIN`.
const MTX_SPIN: c_int = 1;
/// `MTX_RECURSE`.
const MTX_RECURSE: c_int = 4;

/// The `struct mtx` whose lock word is at this address.
fn mtx_of<'a>(td: &Thread, call: &str, cookie: *const usize) -> Result<&'a Lock, Stop> {
    arg(
        td,
        call,
        cookie.wrapping_byte_sub(offset_of!(Lock, word)).cast(),
    )
}

fn errno(result: Result<(), Errno>) -> c_int {
    result.map_or_else(|error| error.0, |()| 0)
}

fn init_sx(
    td: &Thread,
    call: &str,
    lock: *mut Lock,
    name: *const c_char,
    options: c_int,
) -> Result<(), Stop> {
    let lock = arg_mut(td, call, lock)?;
    td.check_not_initialised(call, lock)?;
    let recursable = if options & SX_RECURSE != 0 {
        LO_RECURSABLE
    } else {
        0
    };
    lock::init(
        td,
        lock,
        name,
        LO_CLASS_SX | LO_SLEEPABLE | recursable,
        sx::UNLOCKED,
    );
    Ok(())
}

fn init_mtx(
    td: &Thread,
    call: &str,
    lock: *mut Lock,
    name: *const c_char,
    options: c_int,
) -> Result<(), Stop> {
    let lock = arg_mut(td, call, lock)?;
    td.check_not_initialised(call, lock)?;
    if options & MTX_SPIN != 0 {
        return Err(td.misuse(call, "spin mutexes are not implemented here", None));
    }
    let recursable = if options & MTX_RECURSE != 0 {
        LO_RECURSABLE
    } else {
        0
    };
    lock::init(td, lock, name, LO_CLASS_MTX | recursable, mtx::UNOWNED);
    Ok(())
}

/// `struct sx_args`, `struct mtx_args`.
#[repr(C)]
struct LockArgs {
    lock: *mut Lock,
    name: *const c_char,
    options: c_int,
}

kpi! {
    fn sx_init_flags(td, lock: *mut Lock, name: *const c_char, options: c_int) -> () {
        init_sx(td, "sx_init_flags", lock, name, options)
    }

    fn sx_sysinit(td, args: *const LockArgs) -> () {
        let args = arg(td, "sx_sysinit", args)?;
        init_sx(td, "sx_sysinit", args.lock, args.name, args.options)
    }

    fn sx_destroy(td, lock: *const Lock) -> () {
        let lock = arg(td, "sx_destroy", lock)?;
        lock::destroy(td, "sx_destroy", lock, LO_CLASS_SX, sx::UNLOCKED, sx::DESTROYED)
    }

    fn _sx_xlock(td, lock: *const Lock, options: c_int, _file: *const c_char, _line: c_int) -> c_int {
        sx::xlock(td, "_sx_xlock", arg(td, "_sx_xlock", lock)?, options & SX_INTERRUPTIBLE != 0).map(errno)
    }

    fn _sx_slock(td, lock: *const Lock, options: c_int, _file: *const c_char, _line: c_int) -> c_int {
        sx::slock(td, "_sx_slock", arg(td, "_sx_slock", lock)?, options & SX_INTERRUPTIBLE != 0).map(errno)
    }

    fn sx_try_xlock_(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> c_int {
        sx::try_xlock(td, "sx_try_xlock_", arg(td, "sx_try_xlock_", lock)?).map(c_int::from)
    }

    fn sx_try_slock_(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> c_int {
        sx::try_slock(td, "sx_try_slock_", arg(td, "sx_try_slock_", lock)?).map(c_int::from)
    }

    fn sx_try_upgrade_(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> c_int {
        sx::try_upgrade(td, "sx_try_upgrade_", arg(td, "sx_try_upgrade_", lock)?).map(c_int::from)
    }

    fn sx_downgrade_(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> () {
        sx::downgrade(td, "sx_downgrade_", arg(td, "sx_downgrade_", lock)?)
    }

    fn _sx_xunlock(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> () {
        sx::xunlock(td, "_sx_xunlock", arg(td, "_sx_xunlock", lock)?)
    }

    fn _sx_sunlock(td, lock: *const Lock, _file: *const c_char, _line: c_int) -> () {
        sx::sunlock(td, "_sx_sunlock", arg(td, "_sx_sunlock", lock)?)
    }

    fn _sx_assert(td, lock: *const Lock, what: c_int, _file: *const c_char, _line: c_int) -> () {
        td.assert_lock("_sx_assert", arg(td, "_sx_assert", lock)?, LO_CLASS_SX, what)
    }

    fn _mtx_init(td, cookie: *mut usize, name: *const c_char, _kind: *const c_char, options: c_int) -> () {
        let lock = cookie.wrapping_byte_sub(offset_of!(Lock, word)).cast();
        init_mtx(td, "_mtx_init", lock, name, options)
    }

    fn mtx_sysinit(td, args: *const LockArgs) -> () {
        let args = arg(td, "mtx_sysinit", args)?;
        init_mtx(td, "mtx_sysinit", args.lock, args.name, args.options)
    }

    fn _mtx_destroy(td, cookie: *const usize) -> () {
        let lock = mtx_of(td, "_mtx_destroy", cookie)?;
        lock::destroy(td, "_mtx_destroy", lock, LO_CLASS_MTX, mtx::UNOWNED, mtx::DESTROYED)
    }

    fn __mtx_lock_flags(td, cookie: *const usize, _options: c_int, _file: *const c_char, _line: c_int) -> () {
        mtx::lock(td, "__mtx_lock_flags", mtx_of(td, "__mtx_lock_flags", cookie)?)
    }

    fn _mtx_trylock_flags_(td, cookie: *const usize, _options: c_int, _file: *const c_char, _line: c_int) -> c_int {
        mtx::trylock(td, "_mtx_trylock_flags_", mtx_of(td, "_mtx_trylock_flags_", cookie)?).map(c_int::from)
    }

    fn __mtx_unlock_flags(td, cookie: *const usize, _options: c_int, _file: *const c_char, _line: c_int) -> () {
        mtx::unlock(td, "__mtx_unlock_flags", mtx_of(td, "__mtx_unlock_flags", cookie)?)
    }

    fn __mtx_assert(td, cookie: *const usize, what: c_int, _file: *const c_char, _line: c_int) -> () {
        td.assert_lock("__mtx_assert", mtx_of(td, "__mtx_assert", cookie)?, LO_CLASS_MTX, what)
    }

    /// `kl_lock` of knlists that are locked by a mutex.
    fn knlist_mtx_lock(td, lock: *mut c_void) -> () {
        mtx::lock(td, "knlist_mtx_lock", arg(td, "knlist_mtx_lock", lock.cast())?)
    }

    /// `kl_unlock` of these.
    fn knlist_mtx_unlock(td, lock: *mut c_void) -> () {
        mtx::unlock(td, "knlist_mtx_unlock", arg(td, "knlist_mtx_unlock", lock.cast())?)
    }
}

/// `kl_lock` and `kl_unlock` of knlists that are locked by a mutex.
pub fn knlist_mtx_functions() -> [usize; 2] {
    [
        knlist_mtx_lock::entry as *const () as usize,
        knlist_mtx_unlock::entry as *const () as usize,
    ]
}
