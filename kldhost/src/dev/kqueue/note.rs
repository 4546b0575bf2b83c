//! Knotes, and the fields that belong to the kernel.

use std::ffi::c_int;

use crate::abi::layout::Knote;
use crate::dev::file::FileRef;

/// A knote, followed by fields that modules do not see.
#[repr(C)]
pub struct Note {
    /// The part that modules see.
    pub kn: Knote,
    /// `kn_fp`.
    pub file: Option<FileRef>,
    /// The table that it holds in [`Tables`](super::Tables); 0 if none yet.
    pub table: usize,
}

/// A knote that its kqueue owns.
pub type NotePtr = *mut Note;

impl Note {
    /// A knote of this file, on no list.
    pub fn new(file: FileRef) -> NotePtr {
        // SAFETY: all-zero bytes are valid for every field.
        let kn = unsafe { std::mem::zeroed() };
        Box::into_raw(Box::new(Note {
            kn,
            file: Some(file),
            table: 0,
        }))
    }
}

/// How many threads have it in flux, `kn_influx`. The kqueue is locked.
pub fn flux(note: NotePtr) -> c_int {
    // SAFETY: the caller found the knote on a locked kqueue, or has it in flux.
    unsafe { (*note).kn.kn_influx }
}

/// `kn_in_flux`. The kqueue is locked.
pub fn in_flux(note: NotePtr) -> bool {
    flux(note) > 0
}

/// Changes `kn_influx`. The kqueue is locked.
pub fn change_flux(note: NotePtr, by: c_int) {
    // SAFETY: as above; the field belongs to the kernel, under this lock.
    unsafe { (*note).kn.kn_influx += by };
}

/// `KN_*` of the knote.
pub fn status(note: NotePtr) -> c_int {
    // SAFETY: the caller keeps the knote alive. The kqueue is locked, or the knote is in flux.
    unsafe { (*note).kn.kn_status }
}

/// Sets and clears bits of `kn_status`. The kqueue is locked.
pub fn change_status(note: NotePtr, set: c_int, clear: c_int) {
    // SAFETY: as above; the field belongs to the kernel, under this lock.
    unsafe { (*note).kn.kn_status = (*note).kn.kn_status & !clear | set };
}

/// `EV_*` of the knote.
pub fn flags(note: NotePtr) -> u16 {
    // SAFETY: the caller keeps the knote alive.
    unsafe { (*note).kn.kn_kevent.flags }
}
