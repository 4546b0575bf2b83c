//! kevent(2), first half: changes to the knotes of a kqueue.

use super::{
    Kqueue, Locked, Note, NotePtr, change_flux, change_status, filter, in_flux, status, table,
};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::*;
use crate::dev::Dev;
use crate::dev::file::{FileRef, Kind};
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::kern::timeout::Timeout;

/// The filters that are about descriptors: read, write, vnode, procdesc, empty.
fn is_fd_filter(filter: i16) -> bool {
    matches!(filter, -1 | -2 | -4 | -8 | -13)
}

impl Kqueue {
    /// `kqueue_register`: applies one change.
    pub fn register(
        &self,
        td: &Thread,
        file_of: &dyn Fn(Fd) -> Result<FileRef, Errno>,
        change: &Kevent,
    ) -> Result<(), Errno> {
        if change.flags & (EV_ENABLE | EV_DISABLE) == EV_ENABLE | EV_DISABLE
            || !is_fd_filter(change.filter)
        {
            return Err(Errno::EINVAL);
        }
        loop {
            let fd = Fd::try_from(change.ident).map_err(|_| Errno::EBADF)?;
            let file = file_of(fd)?;
            if let Kind::Kqueue(_) = file.kind {
                return Err(Errno::EINVAL);
            }
            let state = self.state.lock();
            // SAFETY: the knotes of a locked kqueue exist.
            let same = |note: &&NotePtr| unsafe { (***note).kn.kn_kevent.filter == change.filter };
            let note = state
                .notes
                .get(&change.ident)
                .and_then(|list| list.iter().find(same))
                .copied();
            return match note {
                Some(note) if in_flux(note) => {
                    self.wait_flux(td, state, "kqflxwt")?;
                    continue;
                }
                Some(note) => {
                    // The reference to the file is dropped while the kqueue is unlocked, because
                    // this may close the file.
                    let result = self.change(td, state, note, change);
                    drop(file);
                    result.map_err(Errno::from)
                }
                None if change.flags & EV_ADD != 0 => self.attach(td, state, file, change),
                None => Err(Errno::ENOENT),
            };
        }
    }

    fn attach(
        &self,
        td: &Thread,
        mut state: Locked<'_>,
        file: FileRef,
        change: &Kevent,
    ) -> Result<(), Errno> {
        if state.closing {
            return Err(Errno::EBADF);
        }
        let note = Note::new(file.clone());
        // SAFETY: just made, and not reachable from elsewhere.
        let kn = unsafe { &mut (*note).kn };
        kn.kn_ptr = std::ptr::from_ref(&*file).cast();
        kn.kn_kq = std::ptr::from_ref(self).cast();
        kn.kn_sfflags = change.fflags as i32;
        kn.kn_sdata = change.data;
        let flags = change.flags
            & !(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA);
        kn.kn_kevent = Kevent {
            flags,
            fflags: 0,
            data: 0,
            ..*change
        };
        kn.kn_status = KN_DETACHED
            | if change.flags & EV_DISABLE != 0 {
                KN_DISABLED
            } else {
                0
            };
        kn.kn_influx = 1;
        table::set_file_filtops(note);
        state.notes.entry(change.ident).or_default().insert(0, note);
        drop(state);
        let attached = match file.device() {
            Some(device) => device.kqfilter(td, &file, note.cast())?,
            None => Errno::EINVAL.0,
        };
        if let Err(error) = Errno::check(attached) {
            self.drop_detached(td, note)?;
            return Err(error);
        }
        if table::is_file_filtops(note) {
            return Err(td
                .misuse_at(0, "d_kqfilter", "returned 0, but has not set kn_fop", None)
                .into());
        }
        Dev::of(td.kernel()).tables.hold(note);
        table::check_new(td, note)?;
        let knl = filter::lock_list_of(td, note)?;
        Ok(self.check_event(td, note, knl)?)
    }

    /// Changes an existing knote. The kqueue is locked on entry.
    fn change(
        &self,
        td: &Thread,
        mut state: Locked<'_>,
        note: NotePtr,
        change: &Kevent,
    ) -> Result<(), Stop> {
        if change.flags & EV_DELETE != 0 {
            change_flux(note, 1);
            drop(state);
            return self.drop_note(td, note);
        }
        if change.flags & EV_FORCEONESHOT != 0 {
            // SAFETY: the kqueue is locked.
            unsafe { (*note).kn.kn_kevent.flags |= EV_ONESHOT };
            self.activate(td, &mut state, note);
        }
        if change.flags & EV_ENABLE != 0 {
            change_status(note, 0, KN_DISABLED);
        } else if change.flags & EV_DISABLE != 0 {
            change_status(note, KN_DISABLED, 0);
        }
        change_status(note, KN_SCAN, 0);
        change_flux(note, 1);
        drop(state);
        let knl = filter::lock_list_of(td, note)?;
        // SAFETY: the knote is in flux, and its list locked.
        let kn = unsafe { &mut (*note).kn };
        if change.flags & EV_KEEPUDATA == 0 {
            kn.kn_kevent.udata = change.udata;
        }
        kn.kn_sfflags = change.fflags as i32;
        kn.kn_sdata = change.data;
        self.check_event(td, note, knl)
    }

    /// Calls the filter, in case the event has already happened, and ends the flux of the knote.
    fn check_event(&self, td: &Thread, note: NotePtr, knl: *mut Knlist) -> Result<(), Stop> {
        let happened = status(note) & KN_DISABLED == 0 && filter::event(td, note, 0, false)?;
        let mut state = self.state.lock();
        if happened {
            change_status(note, KN_ACTIVE, 0);
        }
        if status(note) & (KN_ACTIVE | KN_DISABLED | KN_QUEUED) == KN_ACTIVE {
            self.enqueue(td, &mut state, note);
        }
        change_status(note, 0, KN_SCAN);
        change_flux(note, -1);
        // Under the lock of the kqueue, so that no thread can drop the knote, and proceed to
        // unload, before this has returned.
        filter::unlock_list_of(td, knl)?;
        self.flux_wakeup(td, &mut state);
        Ok(())
    }

    /// kevent(2): applies all changes, then reports events.
    pub fn kevent(
        &self,
        td: &Thread,
        file_of: &dyn Fn(Fd) -> Result<FileRef, Errno>,
        changes: &[Kevent],
        events: &mut [Kevent],
        timeout: Timeout,
    ) -> Result<usize, Errno> {
        let mut receipts = 0;
        for change in changes.iter().filter(|change| change.filter != 0) {
            let change = Kevent {
                flags: change.flags & !EV_SYSFLAGS,
                ..*change
            };
            let result = self.register(td, file_of, &change);
            if let Err(Errno::PANICKED) = result {
                return Err(Errno::PANICKED);
            }
            if result.is_err() || change.flags & EV_RECEIPT != 0 {
                let error = result.map_or_else(|error| error.0, |()| 0);
                let Some(event) = events.get_mut(receipts) else {
                    return result.map(|()| 0);
                };
                *event = Kevent {
                    flags: EV_ERROR,
                    data: error.into(),
                    ..change
                };
                receipts += 1;
            }
        }
        if receipts > 0 {
            Ok(receipts)
        } else {
            self.scan(td, events, timeout)
        }
    }
}

/// The flags that only the system sets.
const EV_SYSFLAGS: u16 = 0xf000;
