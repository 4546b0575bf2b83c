//! Copies of kqueues at fork(2), `KQUEUE_CPONFORK`: since 15.1.

use std::ptr::null_mut;

use super::{Kqueue, Note, NotePtr, change_flux, change_status, in_flux, knlist, status, table};
use crate::abi::layout::*;
use crate::dev::Dev;
use crate::dev::fdtable::Files;
use crate::kern::module_call;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::Arc;

/// A kqueue and its copy in a child. The copy has no knotes yet. The kqueue is held in use.
pub struct Copying {
    /// The parent's.
    pub from: Arc<Kqueue>,
    /// The child's.
    pub to: Arc<Kqueue>,
}

impl Copying {
    /// `kqueue_fork_copy`: copies the knotes whose filters have f_copy.
    pub fn finish(self, td: &Thread, child: &Files) -> Result<(), Stop> {
        let from = &self.from;
        let mut state = from.state.lock();
        let mut last = None;
        while let Some(note) = state.after(last) {
            last = Some(note);
            if status(note) & KN_DETACHED != 0 || in_flux(note) && status(note) & KN_SCAN == 0 {
                continue;
            }
            change_flux(note, 1);
            drop(state);
            self.copy(td, child, note)?;
            state = from.state.lock();
            change_flux(note, -1);
        }
        from.flux_wakeup(td, &mut state);
        drop(state);
        from.release(td);
        Ok(())
    }

    /// `kqueue_fork_copy_knote`, of a knote in flux.
    fn copy(&self, td: &Thread, child: &Files, note: NotePtr) -> Result<(), Stop> {
        let f_copy = table::read(td, note, table::COPY)?;
        // SAFETY: the knote is in flux.
        let original = unsafe { &(*note).kn };
        let ident = original.kn_kevent.ident;
        if f_copy == 0 || child.lock().get(ident as i32).is_err() {
            return Ok(());
        }
        // SAFETY: the fields are plain data. The file is counted when the filter has agreed.
        let kn = unsafe { std::ptr::read(original) };
        let copy = Box::into_raw(Box::new(Note {
            kn,
            file: None,
            table: 0,
        }));
        // SAFETY: just made, and not reachable from elsewhere.
        unsafe {
            (*copy).kn.kn_kq = Arc::as_ptr(&self.to).cast();
            (*copy).kn.kn_knlist = null_mut();
        }
        change_status(copy, KN_DETACHED, KN_QUEUED);
        let args = [copy.addr(), std::ptr::from_ref(child).addr(), 0, 0, 0, 0];
        // SAFETY: f_copy takes the knote and the process.
        let error = unsafe { module_call::call(td, f_copy, args)? } as i32;
        if error != 0 {
            // SAFETY: made above, and on no list. fork(2) continues without the copy.
            drop(unsafe { Box::from_raw(copy) });
            return Ok(());
        }
        // SAFETY: both knotes are in flux.
        unsafe { (*copy).file = (*note).file.clone() };
        Dev::of(td.kernel()).tables.hold(copy);
        if !original.kn_knlist.is_null() {
            // SAFETY: the list exists while it has the original, which is in flux.
            knlist::add(td, unsafe { &*original.kn_knlist }, copy.cast(), false)?;
        }
        let mut state = self.to.state.lock();
        state.notes.entry(ident).or_default().insert(0, copy);
        // SAFETY: the kqueue is locked.
        unsafe { (*copy).kn.kn_influx = 0 };
        if status(note) & KN_QUEUED != 0 {
            self.to.enqueue(td, &mut state, copy);
        }
        // FreeBSD does not: a thread that waits for the copy sleeps until the child uses the
        // kqueue.
        self.to.flux_wakeup(td, &mut state);
        Ok(())
    }
}
