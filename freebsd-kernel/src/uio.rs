//! Data of read(2) and write(2) calls, uio(9), `<sys/uio.h>`.
//!
//! [`ReadUio`] only moves bytes to the caller, and [`WriteUio`] only from the caller. So a slice
//! is read or written as its type states.
#![doc = concat!("```ignore\n", include_str!("../examples/uio.rs"), "```")]

use crate::errno::{Result, from_c};
use core::ffi::{c_int, c_void};
use freebsd_kernel_sys as sys;

/// The largest single move in bytes, since uiomove(9) takes an `int`.
pub const MOVE_MAX: usize = c_int::MAX as usize;

/// The data of a read(2): bytes go from the kernel to the caller.
pub struct ReadUio<'a>(&'a mut sys::uio);

/// The data of a write(2): bytes go from the caller to the kernel.
pub struct WriteUio<'a>(&'a mut sys::uio);

/// # Safety
///
/// The `len` bytes at `memory` may be read if `uio` is of a read(2), and written if it is of a
/// write(2).
unsafe fn uiomove(memory: *mut c_void, len: usize, uio: &mut sys::uio) -> Result {
    if len == 0 {
        return Ok(());
    }
    let n = c_int::try_from(len).unwrap_or_else(|_| panic!("a move of more than INT_MAX bytes"));
    // SAFETY: the caller guarantees the memory. The uio is that of the running system call.
    from_c(unsafe { sys::uiomove(memory, n, uio) })
}

impl<'a> ReadUio<'a> {
    /// # Safety
    ///
    /// `uio` is the argument of a d_read that has not returned.
    pub(crate) unsafe fn new(uio: *mut sys::uio) -> Self {
        // SAFETY: the caller guarantees it. During the call no other code uses the uio.
        Self(unsafe { &mut *uio })
    }

    /// The number of bytes still requested (`uio_resid`).
    pub fn resid(&self) -> usize {
        self.0.uio_resid as usize
    }

    /// Moves all of `from` to the caller, or as much as is still requested. Panics if `from` is
    /// longer than [`MOVE_MAX`]. EFAULT if the caller's memory is bad; some bytes may have been
    /// moved then. May sleep on a page fault, also with an sx(9) lock held. `uiomove`.
    pub fn uiomove(&mut self, from: &[u8]) -> Result {
        // SAFETY: for a read(2), uiomove(9) only reads from the slice.
        unsafe { uiomove(from.as_ptr().cast_mut().cast(), from.len(), self.0) }
    }
}

impl<'a> WriteUio<'a> {
    /// # Safety
    ///
    /// `uio` is the argument of a d_write that has not returned.
    pub(crate) unsafe fn new(uio: *mut sys::uio) -> Self {
        // SAFETY: the caller guarantees it. During the call no other code uses the uio.
        Self(unsafe { &mut *uio })
    }

    /// The number of bytes still to be written (`uio_resid`).
    pub fn resid(&self) -> usize {
        self.0.uio_resid as usize
    }

    /// Fills all of `to` from the caller, or as much as the caller still has. Panics if `to` is
    /// longer than [`MOVE_MAX`]. EFAULT if the caller's memory is bad; some bytes may have been
    /// moved then. May sleep on a page fault, also with an sx(9) lock held. `uiomove`.
    pub fn uiomove(&mut self, to: &mut [u8]) -> Result {
        // SAFETY: for a write(2), uiomove(9) only writes to the slice, which is borrowed mutably.
        unsafe { uiomove(to.as_mut_ptr().cast(), to.len(), self.0) }
    }
}
