//! One event that a kqueue waits for, `struct knote` in `<sys/event.h>`, kqueue(9).

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, Ordering};
use freebsd_kernel_sys as sys;

/// The hint of the driver's own KNOTE calls. A kqueue that calls f_event by itself passes 0.
pub const HINT: i64 = 1;

/// What a knote is waited for, while the device is going away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// No thread waits for it.
    Collected,
    /// A thread may still have to collect the last event.
    Pending,
    /// f_event has not yet reported the last event.
    Missed,
}

/// A knote that the kernel lends to d_kqfilter, f_event or f_detach. Its links belong to the
/// kernel, which may change them meanwhile; the fields used here are the filter's.
pub struct Knote<'a>(NonNull<sys::knote>, PhantomData<&'a mut sys::knote>);

impl Knote<'_> {
    /// # Safety
    ///
    /// `kn` is what d_kqfilter, f_event or f_detach was called with, and that call has not returned
    /// while the value lives.
    pub unsafe fn new(kn: *mut sys::knote) -> Self {
        // SAFETY: the kernel passes no NULL.
        Self(unsafe { NonNull::new_unchecked(kn) }, PhantomData)
    }

    pub(super) fn as_raw(&self) -> *mut sys::knote {
        self.0.as_ptr()
    }

    /// What is waited for: EVFILT_READ, EVFILT_WRITE, ...
    pub fn filter(&self) -> i32 {
        // SAFETY: the knote is lent to us (see `new`); the field is constant.
        unsafe { (*self.as_raw()).kn_kevent.filter }.into()
    }

    /// What [`Knote::bind`] left for the methods to find (`kn_hook`).
    pub fn hook(&self) -> *mut c_void {
        // SAFETY: the knote is lent to us (see `new`); the field is set once, before the other
        // methods run.
        unsafe { (*self.as_raw()).kn_hook }
    }

    /// Sets the event's `data`.
    pub fn set_data(&mut self, data: usize) {
        // SAFETY: the knote is lent to us (see `new`), and the event is the filter's to write.
        unsafe { (*self.as_raw()).kn_kevent.data = data as i64 };
    }

    /// Sets EV_EOF.
    pub fn set_eof(&mut self) {
        // SAFETY: the knote is lent to us (see `new`), and the event is the filter's to write.
        unsafe { (*self.as_raw()).kn_kevent.flags |= sys::EV_EOF as u16 };
    }

    /// Clears EV_EOF.
    pub fn clear_eof(&mut self) {
        // SAFETY: as above.
        unsafe { (*self.as_raw()).kn_kevent.flags &= !(sys::EV_EOF as u16) };
    }

    /// Sets the event's `fflags`; with EV_EOF, an errno.
    pub fn set_fflags(&mut self, fflags: i32) {
        // SAFETY: the knote is lent to us (see `new`), and the event is the filter's to write.
        unsafe { (*self.as_raw()).kn_kevent.fflags = fflags as u32 };
    }

    /// Gives the knote its methods, and `hook` for them to find.
    pub(super) fn bind(&mut self, fop: *mut sys::filterops, hook: *const c_void) {
        let kn = self.as_raw();
        // SAFETY: the knote is lent to us (see `new`); in d_kqfilter these are the driver's to
        // write.
        unsafe {
            (*kn).kn_fop = fop;
            (*kn).kn_hook = hook.cast_mut();
            (*kn).kn_hookid = 0;
        }
    }

    /// Notes that f_event has reported the last event; false if it was noted before. The list's
    /// lock is held.
    pub fn note_last(&mut self) -> bool {
        // SAFETY: the knote is lent to us (see `new`); `kn_hookid` is the filter's own, and the
        // list's lock guards it here.
        unsafe { core::mem::replace(&mut (*self.as_raw()).kn_hookid, 1) == 0 }
    }

    /// What the knote is waited for, once the device is going away. The list's lock is held.
    pub(super) fn awaited(&self) -> Awaited {
        // SAFETY: the knote is lent to us (see `new`). The list's lock guards `kn_hookid` and
        // `fflags`. The kernel may set `kn_status` meanwhile, hence the atomic load. Of `flags`,
        // EV_CLEAR is constant.
        let (noted, kevent, status) = unsafe {
            let kn = self.as_raw();
            (
                (*kn).kn_hookid != 0,
                &(*kn).kn_kevent,
                AtomicI32::from_ptr(&raw mut (*kn).kn_status),
            )
        };
        // A scan that has copied an EV_CLEAR event clears its `fflags`, which f_event had set to
        // ENXIO.
        let cleared = i32::from(kevent.flags) & sys::EV_CLEAR != 0 && kevent.fflags == 0;
        let disabled = status.load(Ordering::Relaxed) & sys::KN_DISABLED != 0;
        match noted {
            _ if disabled => Awaited::Collected,
            false => Awaited::Missed,
            true if cleared => Awaited::Collected,
            true => Awaited::Pending,
        }
    }
}
