//! One event that a kqueue waits for, `struct knote`.

use core::ffi::{c_int, c_long, c_void};
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicI32, Ordering};
use freebsd_kernel_sys as sys;

/// The hint of the KNOTE calls of this crate. A kqueue that calls f_event itself passes 0.
pub(crate) const HINT: c_long = 1;

/// What unloading still has to wait for, because of one knote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Awaited {
    /// Nothing. The last event was collected, or the knote is disabled.
    Collected,
    /// A thread may still have to collect the last event.
    Pending,
    /// f_event has not yet reported the last event.
    Missed,
}

/// A knote that the kernel passes to d_kqfilter, f_event or f_detach. The kernel may change its
/// links meanwhile. The fields used here belong to the filter.
pub struct Knote<'a>(NonNull<sys::knote>, PhantomData<&'a mut sys::knote>);

impl Knote<'_> {
    /// # Safety
    ///
    /// `kn` is the argument of a d_kqfilter, f_event or f_detach that has not returned while the
    /// value is used, or is on a knlist whose lock is held.
    pub(crate) unsafe fn new(kn: *mut sys::knote) -> Self {
        // SAFETY: the kernel passes no NULL.
        Self(unsafe { NonNull::new_unchecked(kn) }, PhantomData)
    }

    pub(super) fn as_raw(&self) -> *mut sys::knote {
        self.0.as_ptr()
    }

    /// The filter: EVFILT_READ or EVFILT_WRITE in f_event.
    pub fn filter(&self) -> c_int {
        // SAFETY: the knote is valid (see `new`), and the field is constant.
        unsafe { (*self.as_raw()).kn_kevent.filter }.into()
    }

    /// The pointer that [`Knote::bind`] has set (`kn_hook`).
    pub(super) fn hook(&self) -> *mut c_void {
        // SAFETY: the knote is valid (see `new`). The field is set before the other methods run.
        unsafe { (*self.as_raw()).kn_hook }
    }

    /// Sets the `data` of the event.
    pub fn set_data(&mut self, data: usize) {
        // SAFETY: the knote is valid (see `new`), and the filter writes the event.
        unsafe { (*self.as_raw()).kn_kevent.data = data as i64 };
    }

    /// Sets EV_EOF.
    pub fn set_eof(&mut self) {
        // SAFETY: the knote is valid (see `new`), and the filter writes the event.
        unsafe { (*self.as_raw()).kn_kevent.flags |= sys::EV_EOF as u16 };
    }

    /// Clears EV_EOF.
    pub fn clear_eof(&mut self) {
        // SAFETY: the knote is valid (see `new`), and the filter writes the event.
        unsafe { (*self.as_raw()).kn_kevent.flags &= !(sys::EV_EOF as u16) };
    }

    /// Sets the `fflags` of the event. With EV_EOF they are an errno.
    pub fn set_fflags(&mut self, fflags: c_int) {
        // SAFETY: the knote is valid (see `new`), and the filter writes the event.
        unsafe { (*self.as_raw()).kn_kevent.fflags = fflags as u32 };
    }

    /// Sets the methods of the knote, and the pointer that they get it by.
    pub(super) fn bind(&mut self, fop: *mut sys::filterops, hook: *const c_void) {
        let kn = self.as_raw();
        // SAFETY: the knote is valid (see `new`). In d_kqfilter the driver writes these fields.
        unsafe {
            (*kn).kn_fop = fop;
            (*kn).kn_hook = hook.cast_mut();
            (*kn).kn_hookid = 0;
        }
    }

    /// Whether f_event has reported the last event. The lock of the list is held.
    pub(super) fn is_last_reported(&self) -> bool {
        // SAFETY: the knote is valid (see `new`). `kn_hookid` belongs to the filter, and the lock
        // of the list guards it here.
        unsafe { (*self.as_raw()).kn_hookid != 0 }
    }

    /// Records that f_event has reported the last event. The lock of the list is held.
    pub(super) fn set_last_reported(&mut self) {
        // SAFETY: as in `is_last_reported`.
        unsafe { (*self.as_raw()).kn_hookid = 1 };
    }

    /// What an unload has to wait for, because of this knote. The lock of the list is held.
    pub(crate) fn awaited(&self) -> Awaited {
        // SAFETY: the knote is valid (see `new`). The lock of the list guards `fflags`. The kernel
        // may set `kn_status` meanwhile, so the load is atomic. Of `flags`, EV_CLEAR is constant.
        let (kevent, status) = unsafe {
            let kn = self.as_raw();
            let status = AtomicI32::from_ptr(&raw mut (*kn).kn_status);
            (&(*kn).kn_kevent, status.load(Ordering::Relaxed))
        };
        if status & sys::KN_DISABLED != 0 {
            return Awaited::Collected;
        }
        if !self.is_last_reported() {
            return Awaited::Missed;
        }
        // A scan that has copied an EV_CLEAR event clears its `fflags`, which were ENXIO.
        if i32::from(kevent.flags) & sys::EV_CLEAR != 0 && kevent.fflags == 0 {
            return Awaited::Collected;
        }
        Awaited::Pending
    }
}
