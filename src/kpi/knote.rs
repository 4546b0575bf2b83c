//! One event that a kqueue waits for, `struct knote` in `<sys/event.h>`, kqueue(9).

use freebsd_kernel_sys as sys;

/// The hint of the driver's own KNOTE calls; a kqueue that looks by itself passes 0 to f_event.
pub const HINT: i64 = 1;

/// A knote that the kernel lends to f_event, with the list's lock held.
pub struct Knote<'a>(&'a mut sys::knote);

impl<'a> Knote<'a> {
    /// # Safety
    ///
    /// `kn` is what f_event or d_kqfilter was called with, and the call has not returned.
    pub unsafe fn new(kn: *mut sys::knote) -> Self {
        // SAFETY: as the caller says; the kernel keeps others off it (in flux, or the list's lock) until the call ends.
        Self(unsafe { &mut *kn })
    }

    pub(super) fn as_raw(&mut self) -> *mut sys::knote {
        self.0
    }

    /// What is waited for: EVFILT_READ, EVFILT_WRITE, ...
    pub fn filter(&self) -> i32 {
        self.0.kn_kevent.filter.into()
    }

    /// Sets the event's `data`.
    pub fn set_data(&mut self, data: usize) {
        self.0.kn_kevent.data = data as i64;
    }

    /// Sets or clears EV_EOF.
    pub fn set_eof(&mut self, eof: bool) {
        let bit = sys::EV_EOF as u16;
        self.0.kn_kevent.flags = if eof { self.0.kn_kevent.flags | bit } else { self.0.kn_kevent.flags & !bit };
    }

    /// Sets the event's `fflags`; with EV_EOF, an errno.
    pub fn set_fflags(&mut self, fflags: i32) {
        self.0.kn_kevent.fflags = fflags as u32;
    }

    /// The events that are attached to filters `fop`, with `hook` for their methods to find.
    pub(super) fn bind(&mut self, fop: *mut sys::filterops, hook: *const core::ffi::c_void) {
        self.0.kn_fop = fop;
        self.0.kn_hook = hook.cast_mut();
        self.0.kn_hookid = 0;
    }

    /// Notes that the waiter has looked at the event; false if it was noted before. `kn_hookid` is the filter's own.
    pub fn note_told(&mut self) -> bool {
        core::mem::replace(&mut self.0.kn_hookid, 1) == 0
    }
}
