//! knlists: the knotes attached to one side of a device, knlist(9).

use std::ffi::{c_int, c_long};
use std::ptr::null_mut;

use super::filter::{self, lock_list, unlock_list};
use super::{Kqueue, Note, NotePtr, change_flux, change_status, in_flux, status};
use crate::abi::layout::*;
use crate::abi::syscall::{EV_EOF, EV_ONESHOT};
use crate::dev::Dev;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::atomic::Ordering::Relaxed;

fn kqueue<'a>(note: NotePtr) -> &'a Kqueue {
    // SAFETY: set when the knote was made. A kqueue drops its knotes before it is freed.
    unsafe { &*(*note).kn.kn_kq.cast::<Kqueue>() }
}

fn addr(knl: &Knlist) -> usize {
    std::ptr::from_ref(knl).addr()
}

/// `KNL_ASSERT_LOCKED`: the caller must hold the list's lock exclusively.
pub fn check_locked(td: &Thread, call: &str, knl: &Knlist) -> Result<(), Stop> {
    let arg = knl.kl_lockarg.addr();
    if td.holds(arg).is_some_and(|held| held.exclusive) {
        return Ok(());
    }
    let kernel = td.kernel();
    let lock = if kernel.witness.is_lock(arg) {
        Some(arg)
    } else {
        Dev::of(kernel)
            .knlists
            .locks
            .lock()
            .get(&addr(knl))
            .copied()
    };
    let (message, name) = match lock {
        Some(lock) => match td.holds(lock) {
            Some(held) if held.exclusive => return Ok(()),
            Some(_) => (
                "called with the knlist's lock held shared, not exclusively",
                kernel.name_of_lock(lock),
            ),
            None => (
                "called without the knlist's lock",
                kernel.name_of_lock(lock),
            ),
        },
        None if td.own().held.borrow().iter().any(|held| held.exclusive) => return Ok(()),
        None => ("called without any lock held exclusively", None),
    };
    Err(td.misuse(call, message, name))
}

/// The list's lock. It is taken, or checked if the caller states that it holds the lock.
struct ListLock<'a> {
    knl: &'a Knlist,
    taken: bool,
}

impl<'a> ListLock<'a> {
    fn take(
        td: &Thread,
        call: &str,
        knl: &'a Knlist,
        is_locked: bool,
    ) -> Result<ListLock<'a>, Stop> {
        if is_locked {
            check_locked(td, call, knl)?;
        } else {
            lock_list(td, knl)?;
        }
        Ok(ListLock {
            knl,
            taken: !is_locked,
        })
    }

    fn release(self, td: &Thread) -> Result<(), Stop> {
        if self.taken {
            unlock_list(td, self.knl)
        } else {
            Ok(())
        }
    }
}

/// The knotes on the list, which is locked.
fn notes(knl: &Knlist) -> Vec<NotePtr> {
    let mut notes = Vec::new();
    let mut note = knl.kl_list.load(Relaxed);
    while !note.is_null() {
        notes.push(note.cast::<Note>());
        // SAFETY: knotes on the list exist while it is locked.
        note = unsafe { (*note).kn_selnext };
    }
    notes
}

/// A kqueue's lock is not to be taken by a filter that is called under one.
fn check_no_kqueue(td: &Thread, call: &str) -> Result<(), Stop> {
    if !td.own().kq_locked.get() {
        return Ok(());
    }
    Err(td.misuse(call, "called in f_event, under a kqueue's lock", None))
}

/// `knote`: calls the filters of all knotes on the list.
pub fn knote(td: &Thread, knl: &Knlist, hint: c_long, how: c_int) -> Result<(), Stop> {
    check_no_kqueue(td, "knote")?;
    let list = ListLock::take(td, "knote", knl, how & KNF_LISTLOCKED != 0)?;
    if knl.kl_list.load(Relaxed).is_null() {
        return list.release(td);
    }
    for note in notes(knl) {
        let kq = kqueue(note);
        let mut state = kq.state.lock();
        if in_flux(note) && status(note) & KN_SCAN == 0 {
            // On its way in or out. One that is being scanned waits for the list's lock.
            continue;
        }
        let active = if how & KNF_NOKQLOCK != 0 {
            change_flux(note, 1);
            drop(state);
            let active = filter::event(td, note, hint, false)?;
            state = kq.state.lock();
            change_flux(note, -1);
            active
        } else {
            filter::event(td, note, hint, true)?
        };
        if active {
            kq.activate(td, &mut state, note);
        }
        if how & KNF_NOKQLOCK != 0 {
            kq.flux_wakeup(td, &mut state);
        }
    }
    list.release(td)
}

/// `knlist_add`.
pub fn add(td: &Thread, knl: &Knlist, kn: *mut Knote, is_locked: bool) -> Result<(), Stop> {
    check_no_kqueue(td, "knlist_add")?;
    let note = kn.cast::<Note>();
    if status(note) & KN_DETACHED == 0 {
        return Err(td.misuse("knlist_add", "the knote is already on a knlist", None));
    }
    let list = ListLock::take(td, "knlist_add", knl, is_locked)?;
    // SAFETY: the knote is in flux, because this thread is attaching it.
    unsafe { (*note).kn.kn_selnext = knl.kl_list.load(Relaxed) };
    knl.kl_list.store(kn, Relaxed);
    Dev::of(td.kernel()).knlists.count(addr(knl), 1);
    list.release(td)?;
    let _state = kqueue(note).state.lock();
    // SAFETY: as above.
    unsafe { (*note).kn.kn_knlist = std::ptr::from_ref(knl).cast_mut() };
    change_status(note, 0, KN_DETACHED);
    Ok(())
}

/// Removes the knote from the list, which is locked.
fn unlink(td: &Thread, knl: &Knlist, note: NotePtr) {
    let remaining: Vec<NotePtr> = notes(knl)
        .into_iter()
        .filter(|&other| other != note)
        .collect();
    let mut next = null_mut();
    for &other in remaining.iter().rev() {
        // SAFETY: knotes on the list exist while it is locked.
        unsafe { (*other).kn.kn_selnext = next };
        next = other.cast();
    }
    knl.kl_list.store(next, Relaxed);
    Dev::of(td.kernel()).knlists.count(addr(knl), -1);
    // SAFETY: the caller has it in flux, or its kqueue locked.
    unsafe { (*note).kn.kn_knlist = null_mut() };
}

/// `knlist_remove`.
pub fn remove(td: &Thread, knl: &Knlist, kn: *mut Knote, is_locked: bool) -> Result<(), Stop> {
    check_no_kqueue(td, "knlist_remove")?;
    let note = kn.cast::<Note>();
    if status(note) & KN_DETACHED != 0 {
        return Err(td.misuse("knlist_remove", "the knote is on no knlist", None));
    }
    let list = ListLock::take(td, "knlist_remove", knl, is_locked)?;
    unlink(td, knl, note);
    list.release(td)?;
    let _state = kqueue(note).state.lock();
    change_status(note, KN_DETACHED, 0);
    Ok(())
}

/// `knlist_empty`.
pub fn is_empty(td: &Thread, knl: &Knlist) -> Result<bool, Stop> {
    check_locked(td, "knlist_empty", knl)?;
    Ok(knl.kl_list.load(Relaxed).is_null())
}

/// `knlist_destroy`.
pub fn destroy(td: &Thread, knl: &Knlist) -> Result<(), Stop> {
    if !knl.kl_list.load(Relaxed).is_null() {
        let name = td.kernel().name_of_lock(knl.kl_lockarg.addr());
        return Err(td.misuse(
            "knlist_destroy",
            "destroying knlist with knotes on it",
            name,
        ));
    }
    Dev::of(td.kernel()).knlists.forget(addr(knl));
    Ok(())
}

/// `knlist_cleardel`: removes all knotes from the list, and with `kill` drops them. Waits for
/// knotes in flux.
pub fn cleardel(td: &Thread, knl: &Knlist, is_locked: bool, kill: bool) -> Result<(), Stop> {
    const CALL: &str = "knlist_cleardel";
    check_no_kqueue(td, CALL)?;
    if is_locked {
        check_locked(td, CALL, knl)?;
    } else {
        td.check_may_sleep(CALL, 0)?;
        lock_list(td, knl)?;
    }
    loop {
        for note in notes(knl) {
            let kq = kqueue(note);
            let state = kq.state.lock();
            if in_flux(note) {
                continue;
            }
            unlink(td, knl, note);
            change_status(note, KN_DETACHED, 0);
            if kill {
                change_flux(note, 1);
                drop(state);
                kq.drop_detached(td, note)?;
            } else {
                // SAFETY: the kqueue is locked. The knote is reported once more, then dropped.
                unsafe { (*note).kn.kn_kevent.flags |= EV_EOF | EV_ONESHOT };
            }
        }
        let Some(&note) = notes(knl).first() else {
            break;
        };
        // The kqueue is locked before the list is unlocked, so that the knote and its kqueue exist
        // until the sleep.
        let kq = kqueue(note);
        let state = kq.state.lock();
        if !in_flux(note) {
            continue;
        }
        unlock_list(td, knl)?;
        kq.wait_flux(td, state, "kqkclr")?;
        lock_list(td, knl)?;
    }
    if is_locked {
        Ok(())
    } else {
        unlock_list(td, knl)
    }
}
