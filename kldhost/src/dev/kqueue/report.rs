//! Reports of the kqueues of a process, for core dumps and procstat(1): since 14.4.

use std::mem::zeroed;

use super::{Kqueue, NotePtr, State, change_flux, status, table};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::{Fd, Kevent};
use crate::dev::fdtable::Files;
use crate::dev::file::Kind;
use crate::kern::config::KpiCall;
use crate::kern::module_call;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync;

/// A knote of a process, as `struct kinfo_knote` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnoteInfo {
    /// The descriptor of its kqueue.
    pub kq: Fd,
    /// The event. Its `data` are those of the last report.
    pub event: Kevent,
    /// `KNOTE_STATUS_*`.
    pub status: i32,
    /// Data that the filter has added, `knt_extdata`.
    pub extdata: i32,
}

impl State {
    /// The knote after `note`, by descriptor, and of one descriptor the newest first. Without
    /// `note`, the first. A knote that the caller has had in flux is still there.
    pub fn after(&self, note: Option<NotePtr>) -> Option<NotePtr> {
        // SAFETY: as required of the caller, so it exists.
        let ident = note.map(|note| unsafe { (*note).kn.kn_kevent.ident });
        let rest = ident.and_then(|ident| {
            let list = self.notes.get(&ident)?;
            list.iter()
                .copied()
                .skip_while(|&other| Some(other) != note)
                .nth(1)
        });
        rest.or_else(|| {
            let later = self
                .notes
                .iter()
                .filter(|(fd, list)| ident.is_none_or(|ident| **fd > ident) && !list.is_empty());
            later
                .min_by_key(|(fd, _)| **fd)
                .and_then(|(_, list)| list.first().copied())
        })
    }
}

impl Kqueue {
    /// `kern_proc_kqueue_report`: adds the knotes of this kqueue, which process `of` has as `kq`.
    fn report_notes(
        &self,
        td: &Thread,
        of: &Files,
        kq: Fd,
        to: &mut Vec<KnoteInfo>,
    ) -> Result<(), Errno> {
        let mut state = self.state.lock();
        let mut last = None;
        let mut result = Ok(());
        while let Some(note) = state.after(last)
            && result.is_ok()
        {
            // SAFETY: all-zero bytes are valid for every field.
            let mut info: KinfoKnote = unsafe { zeroed() };
            info.knt_kq_fd = kq;
            // SAFETY: the kqueue is locked. Its filter may just be changing it, under another lock.
            info.knt_event = unsafe { (&raw const (*note).kn.kn_kevent).read_volatile() };
            // The exported bits have the kernel's own values.
            info.knt_status = status(note) & (KN_ACTIVE | KN_QUEUED | KN_DISABLED | KN_DETACHED);
            change_flux(note, 1);
            self.flux_wakeup(td, &mut state);
            drop(state);
            result = report_one(td, of, note, &mut info);
            if let Err(Errno::PANICKED) = result {
                return result;
            }
            to.push(KnoteInfo::from(&info));
            state = self.state.lock();
            change_flux(note, -1);
            last = Some(note);
        }
        self.flux_wakeup(td, &mut state);
        result
    }
}

/// `kern_proc_kqueue_report_one`, while the knote is in flux and its kqueue unlocked. The filter
/// may add to the report. The report then gets the memory that it needs.
fn report_one(td: &Thread, of: &Files, note: NotePtr, info: &mut KinfoKnote) -> Result<(), Errno> {
    let f_userdump = table::read(td, note, table::USERDUMP)?;
    if f_userdump != 0 {
        let args = [
            std::ptr::from_ref(of).addr(),
            note.addr(),
            std::ptr::from_mut(info).addr(),
            0,
            0,
            0,
        ];
        // SAFETY: f_userdump takes the process, the knote and the report.
        unsafe { module_call::call(td, f_userdump, args)? };
    }
    sync::switch("sbuf_bcat");
    let call = KpiCall {
        name: "sbuf_bcat",
        args: [
            0,
            note.addr() as u64,
            size_of::<KinfoKnote>() as u64,
            0,
            0,
            0,
        ],
    };
    let error = td.kernel().hook.as_ref().and_then(|hook| hook(&call));
    error.map_or(Ok(()), |error| Errno::check(error as i32))
}

impl From<&KinfoKnote> for KnoteInfo {
    fn from(info: &KinfoKnote) -> KnoteInfo {
        let KinfoKnote {
            knt_kq_fd: kq,
            knt_event: event,
            knt_status: status,
            knt_extdata: extdata,
            ..
        } = *info;
        KnoteInfo {
            kq,
            event,
            status,
            extdata,
        }
    }
}

/// `kern_proc_kqueues_out1`: the knotes of all kqueues of a process.
pub fn report_kqueues(td: &Thread, of: &Files) -> Result<Vec<KnoteInfo>, Errno> {
    let mut all = Vec::new();
    let end = of.lock().end();
    for fd in 0..end {
        // The table is not locked during the report. The descriptor may be closed, but not the
        // file.
        let file = of.lock().get(fd);
        if let Ok(file) = file
            && let Kind::Kqueue(kq) = &file.kind
        {
            kq.report_notes(td, of, fd, &mut all)?;
        }
    }
    Ok(all)
}

/// The part of a core dump that reports kqueues.
pub fn dump_kqueues(td: &Thread, of: &Files) -> Result<(), Stop> {
    if !td.kernel().release.reports_kqueues() {
        return Ok(());
    }
    match report_kqueues(td, of) {
        Err(Errno::PANICKED) => Err(Stop),
        // The dump continues without that note.
        _ => Ok(()),
    }
}
