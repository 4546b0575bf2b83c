//! Calls of a knote's filter, and of its knlist's lock functions: module code.

use std::ffi::{c_int, c_long};

use super::register::FILE_FILTOPS;
use super::{Kqueue, NotePtr};
use crate::kernel::module_call;
use crate::kernel::report::Stop;
use crate::kernel::thread::Thread;
use crate::kpi::layout::{Filterops, Knlist};

/// The knote's filter, which exists: no module is unloaded while a knote points into it.
fn filterops<'a>(note: NotePtr) -> &'a Filterops {
    // SAFETY: the caller keeps the knote alive; the filter is the kernel's own, or was set by the module in d_kqfilter.
    unsafe { &*(*note).kn.kn_fop }
}

/// To be called before the kernel reads the knote's filter: the table must still be there.
pub fn check_table(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    // SAFETY: the caller keeps the knote alive.
    let table = unsafe { (*note).kn.kn_fop };
    let (kernel, addr) = (td.kernel(), table.addr());
    if std::ptr::eq(table, &raw const FILE_FILTOPS)
        || kernel.is_in_module(addr)
        || kernel.with_memory(addr, size_of::<Filterops>(), |_| ()).is_some()
    {
        return Ok(());
    }
    let module = kernel.unloaded(addr);
    let place = if module.is_some() { "the unloaded module" } else { "memory that is not in use" };
    Err(td.misuse_at(addr, "knote_drop", format!("kn_fop points into {place}"), module))
}

/// A function of a filter, by its address and name.
fn function(td: &Thread, address: usize, name: &str) -> Result<usize, Stop> {
    if address == 0 {
        return Err(td.misuse_at(0, name, "the filter has no such function", None));
    }
    Ok(address)
}

/// `f_event`. With `locked`, the lock of that kqueue is held meanwhile.
pub fn event(td: &Thread, note: NotePtr, hint: c_long, locked: Option<&Kqueue>) -> Result<bool, Stop> {
    let f_event = function(td, filterops(note).f_event, "f_event")?;
    let before = td.own().kq_locked.get();
    if let Some(kq) = locked {
        td.own().kq_locked.set(kq);
    }
    // SAFETY: f_event takes the knote and the hint.
    let result = unsafe { module_call::call(td, f_event, [note.addr(), hint as usize, 0, 0, 0, 0]) };
    td.own().kq_locked.set(before);
    Ok(result? as c_int != 0)
}

/// `f_detach`.
pub fn detach(td: &Thread, note: NotePtr) -> Result<(), Stop> {
    let f_detach = function(td, filterops(note).f_detach, "f_detach")?;
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
        td.kernel().knlists.learn_lock(knl.addr(), taken);
    }
    Ok(())
}

/// `kl_unlock`.
pub fn unlock_list(td: &Thread, knl: *const Knlist) -> Result<(), Stop> {
    // SAFETY: as above: it was locked before.
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
    if knl.is_null() { Ok(()) } else { unlock_list(td, knl) }
}
