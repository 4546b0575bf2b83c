//! kevent(2), second half: waiting for events, and reporting them.

use super::{
    Entry, Kqueue, Locked, NotePtr, change_flux, change_status, filter, flags, in_flux, table,
};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::{EV_CLEAR, EV_DISPATCH, EV_ONESHOT, Kevent};
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::thread::Thread;
use crate::kern::timeout::Timeout;

/// `EV_DROP`: a filter requests that its knote is dropped.
const EV_DROP: u16 = 0x1000;

impl Kqueue {
    /// `kqueue_scan`: fills `events`; returns how many there are, 0 on timeout.
    ///
    /// # Errors
    ///
    /// EINTR on a signal.
    pub fn scan(
        &self,
        td: &Thread,
        events: &mut [Kevent],
        timeout: Timeout,
    ) -> Result<usize, Errno> {
        if events.is_empty() {
            return Ok(0);
        }
        loop {
            let state = self.state.lock();
            if state.count == 0 {
                match self.sleep(td, state, timeout)? {
                    Ok(()) => continue,
                    Err(Errno::EWOULDBLOCK) => return Ok(0),
                    // Not restarted after signals.
                    Err(Errno::ERESTART) => return Err(Errno::EINTR),
                    Err(error) => return Err(error),
                }
            }
            let found = self.collect(td, state, events)?;
            if found > 0 {
                return Ok(found);
            }
        }
    }

    /// Sleeps until a knote is enqueued.
    fn sleep(
        &self,
        td: &Thread,
        mut state: Locked<'_>,
        timeout: Timeout,
    ) -> Result<Result<(), Errno>, Stop> {
        let Some(deadline) = timeout.deadline() else {
            return Ok(Err(Errno::EWOULDBLOCK));
        };
        state.sleep = true;
        let how = Sleep {
            catch: true,
            deadline,
            ..Sleep::on(self.chan(), "kqread")
        };
        td.kernel().sleep(td, how, || {
            drop(state);
            Ok(())
        })
    }

    /// Scans the knotes that are queued now, up to a marker at the end.
    fn collect<'a>(
        &'a self,
        td: &Thread,
        mut state: Locked<'a>,
        events: &mut [Kevent],
    ) -> Result<usize, Stop> {
        let marker = Entry::Marker(state.next_marker);
        state.next_marker += 1;
        state.queue.push_back(marker);
        let mut found = 0;
        while found < events.len() {
            let note = match state.queue.front() {
                Some(&entry) if entry == marker => break,
                Some(&Entry::Note(note)) if !in_flux(note) => note,
                _ => {
                    // A knote in flux, or the marker of another scan. The queue is not empty,
                    // because it has the marker of this scan.
                    self.flux_wakeup(td, &mut state);
                    self.wait_flux(td, state, "kqflxwt")?;
                    state = self.state.lock();
                    continue;
                }
            };
            state.queue.pop_front();
            // SAFETY: the kqueue is locked, and the knote was on it.
            if unsafe { (*note).kn.kn_status } & KN_DISABLED != 0 {
                change_status(note, 0, KN_QUEUED);
                state.count -= 1;
                continue;
            }
            let (locked, event) = self.report(td, state, note)?;
            state = locked;
            if let Some(event) = event {
                events[found] = event;
                found += 1;
            }
        }
        state.queue.retain(|&entry| entry != marker);
        self.flux_wakeup(td, &mut state);
        Ok(found)
    }

    /// Reports a knote that was removed from the queue, if its event is still active.
    fn report<'a>(
        &'a self,
        td: &Thread,
        mut state: Locked<'a>,
        note: NotePtr,
    ) -> Result<(Locked<'a>, Option<Kevent>), Stop> {
        change_flux(note, 1);
        if flags(note) & (EV_DROP | EV_ONESHOT) != 0 {
            change_status(note, 0, KN_QUEUED);
            state.count -= 1;
            let dropped = flags(note) & EV_DROP != 0;
            drop(state);
            // SAFETY: the knote is in flux.
            let event = unsafe { (*note).kn.kn_kevent };
            self.drop_note(td, note)?;
            return Ok((self.state.lock(), (!dropped).then_some(event)));
        }
        change_status(note, KN_SCAN, 0);
        drop(state);
        let knl = filter::lock_list_of(td, note)?;
        let stands = filter::event(td, note, 0, false)?;
        if stands {
            // The kernel checks whether it has to call f_touch. Filters of descriptors do not get
            // this call.
            table::check_isfd(td, note)?;
        }
        let mut state = self.state.lock();
        // SAFETY: the knote is in flux, its list and the kqueue are locked.
        let kn = unsafe { &mut (*note).kn };
        let event = stands.then_some(kn.kn_kevent);
        let kn_flags = kn.kn_kevent.flags;
        if !stands {
            change_status(note, 0, KN_QUEUED | KN_ACTIVE | KN_SCAN);
            state.count -= 1;
        } else if kn_flags & (EV_CLEAR | EV_DISPATCH) != 0 {
            if kn_flags & EV_CLEAR != 0 {
                kn.kn_kevent.data = 0;
                kn.kn_kevent.fflags = 0;
            }
            let disabled = if kn_flags & EV_DISPATCH != 0 {
                KN_DISABLED
            } else {
                0
            };
            change_status(note, disabled, KN_QUEUED | KN_ACTIVE | KN_SCAN);
            state.count -= 1;
        } else {
            state.queue.push_back(Entry::Note(note));
            change_status(note, 0, KN_SCAN);
        }
        change_flux(note, -1);
        // Under the lock of the kqueue, as in `check_event`.
        filter::unlock_list_of(td, knl)?;
        Ok((state, event))
    }
}
