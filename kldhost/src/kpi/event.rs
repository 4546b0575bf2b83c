//! selrecord(9) and kqueue(9).

use std::ffi::{c_int, c_long, c_void};

use super::{arg, arg_mut, kpi, locks};
use crate::abi::layout::*;
use crate::dev::kqueue::knlist;
use crate::dev::{Dev, select};
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

fn selwakeup_of(td: &Thread, call: &str, sip: *const Selinfo) -> Result<(), Stop> {
    select::wakeup(td.kernel(), arg(td, call, sip)?);
    Ok(())
}

fn init_knlist(
    td: &Thread,
    knl: *mut Knlist,
    lock: *mut c_void,
    functions: [usize; 3],
) -> Result<(), Stop> {
    let [default_lock, default_unlock] = locks::knlist_mtx_functions();
    let or = |function: usize, default: usize| if function != 0 { function } else { default };
    let default_arg = std::ptr::from_ref(&*Dev::of(td.kernel()).knlist_lock)
        .cast::<c_void>()
        .cast_mut();
    *arg_mut(td, "knlist_init", knl)? = Knlist {
        kl_list: std::ptr::null_mut::<Knote>().into(),
        kl_lock: or(functions[0], default_lock),
        kl_unlock: or(functions[1], default_unlock),
        kl_assert_lock: functions[2],
        kl_lockarg: if lock.is_null() { default_arg } else { lock },
        kl_autodestroy: 0,
    };
    Dev::of(td.kernel()).knlists.forget(knl.addr());
    Ok(())
}

kpi! {
    fn selrecord(td, selector: *const c_void, sip: *const Selinfo) -> () {
        select::record(td, "selrecord", selector.addr(), arg(td, "selrecord", sip)?)
    }

    fn selwakeup(td, sip: *const Selinfo) -> () {
        selwakeup_of(td, "selwakeup", sip)
    }

    fn selwakeuppri(td, sip: *const Selinfo, _priority: c_int) -> () {
        selwakeup_of(td, "selwakeuppri", sip)
    }

    fn seldrain(td, sip: *const Selinfo) -> () {
        selwakeup_of(td, "seldrain", sip)
    }

    fn knlist_init(td, knl: *mut Knlist, lock: *mut c_void, lock_fn: usize, unlock_fn: usize, assert_fn: usize) -> () {
        init_knlist(td, knl, lock, [lock_fn, unlock_fn, assert_fn])
    }

    fn knlist_init_mtx(td, knl: *mut Knlist, lock: *mut c_void) -> () {
        init_knlist(td, knl, lock, [0; 3])
    }

    fn knlist_add(td, knl: *const Knlist, kn: *mut Knote, is_locked: c_int) -> () {
        knlist::add(td, arg(td, "knlist_add", knl)?, arg_mut(td, "knlist_add", kn)?, is_locked != 0)
    }

    fn knlist_remove(td, knl: *const Knlist, kn: *mut Knote, is_locked: c_int) -> () {
        knlist::remove(td, arg(td, "knlist_remove", knl)?, arg_mut(td, "knlist_remove", kn)?, is_locked != 0)
    }

    fn knlist_empty(td, knl: *const Knlist) -> c_int {
        knlist::is_empty(td, arg(td, "knlist_empty", knl)?).map(c_int::from)
    }

    fn knlist_destroy(td, knl: *const Knlist) -> () {
        knlist::destroy(td, arg(td, "knlist_destroy", knl)?)
    }

    fn knlist_cleardel(td, knl: *const Knlist, _td: *const c_void, is_locked: c_int, kill: c_int) -> () {
        knlist::cleardel(td, arg(td, "knlist_cleardel", knl)?, is_locked != 0, kill != 0)
    }

    /// f_copy of a filter whose knotes can be copied as they are.
    fn knote_triv_copy(td, _kn: *const Knote, _child: *const c_void) -> c_int {
        let _ = td;
        Ok(0)
    }

    fn knote(td, knl: *const Knlist, hint: c_long, flags: c_int) -> () {
        // A null list is fine.
        if knl.is_null() { Ok(()) } else { knlist::knote(td, arg(td, "knote", knl)?, hint, flags) }
    }
}
