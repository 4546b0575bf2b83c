//! Calls of a knote's filter, and of its knlist's lock functions: module code.

use std::ffi::{c_int, c_long};

use super::NotePtr;
use super::table::{self, Member};
use crate::abi::layout::Knlist;
use crate::dev::Dev;
use crate::kern::module_call;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

/// A function that the filter must have.
fn function(td: &Thread, note: NotePtr, member: Member) -> Result<usize, Stop> {
    let address = table::read(td, note, member)?;
    if address == 0 {
        return Err(td.misuse_at(0, member.name, "the filter has no such function", None));
    }
    Ok(address)
}

/// `f_event`. With `locked`, the lock of the kqueue is held during the call.
pub fn event(td: &Thread, note: NotePtr, hint: c_long, locked: bool) -> Result<bool, Stop> {
    let f_event = function(td, note, table::EVENT)?;
    let before = td.own().kq_locked.get();
    if locked {
        td.own().kq_locked.set(true);
    }
    // SAFETY: f_event takes the knote and the hint.
    let result =
        unsafe { module_call::call(td, f_event, [note.addr(), hint as usize, 0, 0, 0, 0]) };
    td.own().kq_locked.set(before);
    Ok(result? as c_int != 0)
}

/// `f_detach`.
pub fn detach(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    let f_detach = function(td, note, table::DETACH)?;
    // SAFETY: f_detach takes the knote.
    unsafe { module_call::call(td, f_detach, [note.addr(), 0, 0, 0, 0, 0])? };
    Ok(())
}

/// `kl_lock`.
pub fn lock_list(td: &Thread, knl: *const Knlist) -> Result<(), Stop> {
    // SAFETY: a knlist that a module has initialised; its memory is not freed while it has knotes.
    let (lock, arg) = unsafe { ((*knl).kl_lock, (*knl).kl_lockarg) };
    let before = td.own().held.borrow().len();
    // SAFETY: the lock function takes the knlist's argument.
    unsafe { module_call::call(td, lock, [arg.addr(), 0, 0, 0, 0, 0])? };
    let taken = td.own().held.borrow().get(before).map(|held| held.lock);
    if let Some(taken) = taken.filter(|&taken| taken != arg.addr()) {
        Dev::of(td.kernel()).knlists.set_lock(knl.addr(), taken);
    }
    Ok(())
}

/// `kl_unlock`.
pub fn unlock_list(td: &Thread, knl: *const Knlist) -> Result<(), Stop> {
    // SAFETY: as above. The list was locked before.
    let (unlock, arg) = unsafe { ((*knl).kl_unlock, (*knl).kl_lockarg) };
    // SAFETY: as above.
    unsafe { module_call::call(td, unlock, [arg.addr(), 0, 0, 0, 0, 0])? };
    Ok(())
}

/// `kn_list_lock`: locks the list that the knote is on, if any; the list.
pub fn lock_list_of(td: &Thread, note: NotePtr) -> Result<*mut Knlist, Stop> {
    // SAFETY: the knote is in flux.
    let knl = unsafe { (*note).kn.kn_knlist };
    if !knl.is_null() {
        lock_list(td, knl)?;
    }
    Ok(knl)
}

/// `kn_list_unlock`.
pub fn unlock_list_of(td: &Thread, knl: *mut Knlist) -> Result<(), Stop> {
    if knl.is_null() {
        Ok(())
    } else {
        unlock_list(td, knl)
    }
}
