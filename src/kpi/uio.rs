//! Moving bytes between the kernel and the caller of read(2) or write(2), uiomove(9).

use super::errno::{Result, from_c};
use core::ffi::{c_int, c_void};
use freebsd_kernel_sys as sys;

/// The largest single move, since uiomove(9) takes an `int`.
pub const MOVE_MAX: usize = c_int::MAX as usize;

/// The request of a read(2): bytes go from the kernel to the caller.
pub struct ReadUio<'a>(&'a mut sys::uio);

/// The request of a write(2): bytes come from the caller to the kernel.
pub struct WriteUio<'a>(&'a mut sys::uio);

/// # Safety
///
/// `len` bytes at `memory` are the kernel's to read if `uio` is a read, to write if it is a write.
unsafe fn uiomove(memory: *mut c_void, len: usize, uio: &mut sys::uio) -> Result {
    debug_assert!(len <= MOVE_MAX);
    if len == 0 {
        return Ok(());
    }
    // SAFETY: as the caller says; the uio is the system call's, valid by the wrappers' `new`.
    from_c(unsafe { sys::uiomove(memory, len as c_int, uio) })
}

impl<'a> ReadUio<'a> {
    /// # Safety
    ///
    /// `uio` is what d_read was called with, and the call has not returned.
    pub unsafe fn new(uio: *mut sys::uio) -> Self {
        // SAFETY: as the caller says; during the call nobody else uses it.
        Self(unsafe { &mut *uio })
    }

    /// Bytes still asked for (`uio_resid`).
    pub fn resid(&self) -> usize {
        self.0.uio_resid as usize
    }

    /// Moves all of `from`, at most [`MOVE_MAX`] bytes, to the caller. EFAULT where the caller's
    /// memory is bad: then some bytes may have been moved. May sleep on a page fault, with the lock
    /// held.
    pub fn uiomove(&mut self, from: &[u8]) -> Result {
        // SAFETY: a read only reads from the kernel's side.
        unsafe { uiomove(from.as_ptr().cast_mut().cast(), from.len(), self.0) }
    }
}

impl<'a> WriteUio<'a> {
    /// # Safety
    ///
    /// `uio` is what d_write was called with, and the call has not returned.
    pub unsafe fn new(uio: *mut sys::uio) -> Self {
        // SAFETY: as the caller says; during the call nobody else uses it.
        Self(unsafe { &mut *uio })
    }

    /// Bytes still to be taken (`uio_resid`).
    pub fn resid(&self) -> usize {
        self.0.uio_resid as usize
    }

    /// Fills all of `to`, at most [`MOVE_MAX`] bytes, from the caller. EFAULT where the caller's
    /// memory is bad: then some bytes may have been moved. May sleep on a page fault, with the lock
    /// held.
    pub fn uiomove(&mut self, to: &mut [u8]) -> Result {
        // SAFETY: a write only writes to the kernel's side, and the slice is ours to write.
        unsafe { uiomove(to.as_mut_ptr().cast(), to.len(), self.0) }
    }
}
