//! kqueues and their knotes, kqueue(9).
//!
//! Lock order: the lock of a knlist (the module's), then that of a kqueue. While a knote is in
//! flux, other threads do not drop it, even if the kqueue is unlocked.

mod filter;
mod fork;
pub mod knlist;
mod knlists;
mod note;
mod register;
mod report;
mod scan;
mod table;

use std::collections::{HashMap, VecDeque};

use super::{Dev, select};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::{POLLIN, POLLRDNORM};
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::thread::Thread;
use crate::machine::sync::{self, Arc, SleepMutex, SleepMutexGuard};

pub use fork::Copying;
pub use knlists::Knlists;
pub use report::{KnoteInfo, dump_kqueues, report_kqueues};
pub use table::Tables;

use note::{Note, NotePtr, change_flux, change_status, flags, flux, in_flux, status};

/// A kqueue.
pub struct Kqueue {
    state: SleepMutex<State>,
    /// `kq_sel`: the pollers of the kqueue itself.
    sel: Selinfo,
    /// `KQ_CPONFORK`: fork(2) copies it.
    pub cponfork: bool,
}

// SAFETY: the raw pointers in `sel` are not used, its atomics are; the knotes are only used as
// their locks allow.
unsafe impl Send for Kqueue {}
// SAFETY: as above.
unsafe impl Sync for Kqueue {}

/// An entry of `kq_head`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Note(NotePtr),
    /// The marker of a scan, at the end of the queue when the scan began.
    Marker(u64),
}

#[derive(Default)]
struct State {
    /// The knotes by descriptor, `kq_knlist`.
    notes: HashMap<usize, Vec<NotePtr>>,
    /// `kq_head`: active knotes.
    queue: VecDeque<Entry>,
    /// `kq_count`: how many of these are knotes.
    count: usize,
    /// `KQ_SLEEP`: a thread sleeps in kevent(2).
    sleep: bool,
    /// `KQ_FLUXWAIT`: a thread waits for a knote that is in flux.
    flux_wait: bool,
    /// `KQ_CLOSING`.
    closing: bool,
    /// Calls that use it, `kq_refcnt`.
    users: usize,
    /// The number of the next marker.
    next_marker: u64,
}

// SAFETY: the knotes belong to the kqueue, and move with it.
unsafe impl Send for State {}

type Locked<'a> = SleepMutexGuard<'a, State>;

impl Kqueue {
    /// kqueuex(2).
    pub fn new(cponfork: bool) -> Arc<Kqueue> {
        // SAFETY: all-zero bytes are a valid selinfo without waiters.
        let sel = unsafe { std::mem::zeroed() };
        Arc::new(Kqueue {
            state: SleepMutex::default(),
            sel,
            cponfork,
        })
    }

    fn chan(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// `kqueue_acquire`: EBADF when it is being closed.
    pub fn acquire(&self) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.closing {
            return Err(Errno::EBADF);
        }
        state.users += 1;
        Ok(())
    }

    /// `kqueue_release`.
    pub fn release(&self, td: &Thread) {
        let mut state = self.state.lock();
        state.users -= 1;
        if state.users == 0 && state.closing {
            drop(state);
            td.kernel().sleepq.wakeup(self.chan());
        }
    }

    /// `KQ_FLUX_WAKEUP`: a knote is no longer in flux.
    fn flux_wakeup(&self, td: &Thread, state: &mut State) {
        if std::mem::take(&mut state.flux_wait) {
            td.kernel().sleepq.wakeup(self.chan());
        }
    }

    /// Waits until a knote in flux settles. On return, the kqueue is unlocked.
    fn wait_flux(&self, td: &Thread, mut state: Locked<'_>, wmesg: &str) -> Result<(), Stop> {
        state.flux_wait = true;
        // Neither a signal nor a deadline ends it.
        let _woken = td.kernel().sleep(td, Sleep::on(self.chan(), wmesg), || {
            drop(state);
            Ok(())
        })?;
        Ok(())
    }

    /// `knote_enqueue`: queues the knote for a report.
    fn enqueue(&self, td: &Thread, state: &mut State, note: NotePtr) {
        state.queue.push_back(Entry::Note(note));
        state.count += 1;
        change_status(note, KN_QUEUED, 0);
        if std::mem::take(&mut state.sleep) {
            td.kernel().sleepq.wakeup(self.chan());
        }
        select::wakeup(td.kernel(), &self.sel);
    }

    /// `KNOTE_ACTIVATE`.
    fn activate(&self, td: &Thread, state: &mut State, note: NotePtr) {
        change_status(note, KN_ACTIVE, 0);
        if status(note) & (KN_QUEUED | KN_DISABLED) == 0 {
            self.enqueue(td, state, note);
        }
    }

    /// `knote_drop`: detaches and frees a knote that only the caller has in flux.
    fn drop_note(&self, td: &Thread, note: NotePtr) -> Result<(), Stop> {
        if status(note) & KN_DETACHED == 0 {
            filter::detach(td, note)?;
            // From late 2025 on, FreeBSD may sleep here ("kqflxwt").
            sync::stay("knote_drop", || td.is_free());
        }
        self.drop_detached(td, note)
    }

    /// `knote_drop_detached`. It waits until no other thread has the knote in flux. A report of the
    /// kqueue can have it in flux, and so can a fork(2) that copies the kqueue. Neither exists in
    /// 14.0.
    fn drop_detached(&self, td: &Thread, note: NotePtr) -> Result<(), Stop> {
        let mut state = self.state.lock();
        while flux(note) > 1 {
            self.wait_flux(td, state, "kqflxwt")?;
            state = self.state.lock();
        }
        table::check_isfd(td, note)?;
        // SAFETY: the knote is in flux, so no other thread drops it.
        let ident = unsafe { (*note).kn.kn_kevent.ident };
        if let Some(list) = state.notes.get_mut(&ident) {
            list.retain(|&other| other != note);
        }
        if status(note) & KN_QUEUED != 0 {
            state.queue.retain(|&entry| entry != Entry::Note(note));
            state.count -= 1;
        }
        self.flux_wakeup(td, &mut state);
        drop(state);
        sync::stay("KQ_UNLOCK_FLUX", || td.is_free());
        table::check_isfd(td, note)?;
        // SAFETY: made by `Note::new`, and no longer on any list.
        let note = unsafe { Box::from_raw(note) };
        Dev::of(td.kernel()).tables.release(&note);
        Ok(())
    }

    /// `knote_fdclose`: drops the knotes of a descriptor that is being closed.
    pub fn fd_closed(&self, td: &Thread, fd: usize) -> Result<(), Stop> {
        self.drop_notes(
            td,
            |state| state.notes.get(&fd).and_then(|list| list.first().copied()),
            "kqflxwt",
        )
    }

    /// Drops knotes until `next` finds none.
    fn drop_notes(
        &self,
        td: &Thread,
        next: impl Fn(&State) -> Option<NotePtr>,
        wmesg: &str,
    ) -> Result<(), Stop> {
        loop {
            let state = self.state.lock();
            match next(&state) {
                None => return Ok(()),
                Some(note) if in_flux(note) => self.wait_flux(td, state, wmesg)?,
                Some(note) => {
                    change_flux(note, 1);
                    drop(state);
                    self.drop_note(td, note)?;
                }
            }
        }
    }

    /// `kqueue_close`.
    pub fn close(&self, td: &Thread) -> Result<(), Errno> {
        self.state.lock().closing = true;
        let how = Sleep::on(self.chan(), "kqclose");
        td.kernel()
            .sleep_until(td, how, || self.state.lock().users == 0)?;
        self.drop_notes(
            td,
            |state| state.notes.values().flatten().next().copied(),
            "kqclo1",
        )?;
        select::wakeup(td.kernel(), &self.sel);
        Ok(())
    }

    /// `kqueue_poll`.
    pub fn poll(&self, td: &Thread, events: i16) -> Result<i16, Stop> {
        let state = self.state.lock();
        let wanted = events & (POLLIN | POLLRDNORM);
        if wanted != 0 && state.count == 0 {
            select::record(td, "selrecord", td.addr(), &self.sel)?;
        }
        Ok(if state.count != 0 { wanted } else { 0 })
    }
}
