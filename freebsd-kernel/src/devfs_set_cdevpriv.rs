//! What an open file keeps, devfs_set_cdevpriv(9), `<sys/conf.h>`.
//!
//! d_open may return a value, which the file keeps. d_close or the destructor of the file gives it
//! to [`Driver::close`], exactly once. Unloading waits until that is done.
#![doc = concat!("```ignore\n", include_str!("../examples/devfs_set_cdevpriv.rs"), "```")]

use crate::driver::Driver;
use crate::errno::{Result, from_c};
use crate::ioctl::Data;
use crate::malloc::KBox;
use crate::module::softc;
use crate::selrecord::Poll;
use crate::softc::Softc;
use crate::uio::{ReadUio, WriteUio};
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::Ordering;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    /// The destructor, which `driver!()` defines as [`dtor`].
    fn driver_dtor(kept: *mut c_void);
}

/// A value that an open file can keep: a number, which needs no memory, or a [`KBox`].
///
/// # Safety
///
/// `from_raw(into_raw(value))` returns the value.
pub unsafe trait Cdevpriv: sealed::Sealed + Send {
    /// What a method of the open file gets.
    type Ref<'a>
    where
        Self: 'a;

    /// The value as a pointer.
    fn into_raw(self) -> *mut c_void;

    /// # Safety
    ///
    /// `raw` came from [`Cdevpriv::into_raw`], was not taken back since, and is no longer used.
    unsafe fn from_raw(raw: *mut c_void) -> Self;

    /// # Safety
    ///
    /// `raw` came from [`Cdevpriv::into_raw`], and is not taken back during `'a`.
    unsafe fn borrow<'a>(raw: *mut c_void) -> Self::Ref<'a>
    where
        Self: 'a;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl<T> Sealed for crate::malloc::KBox<T> {}
    impl Sealed for crate::uio::ReadUio<'_> {}
    impl Sealed for crate::uio::WriteUio<'_> {}
    impl Sealed for crate::ioctl::Data<'_> {}
    impl Sealed for crate::selrecord::Poll {}
}

// SAFETY: the address of a pointer without provenance is the number.
unsafe impl Cdevpriv for usize {
    type Ref<'a> = usize;

    fn into_raw(self) -> *mut c_void {
        ptr::without_provenance_mut(self)
    }

    unsafe fn from_raw(raw: *mut c_void) -> Self {
        raw.addr()
    }

    unsafe fn borrow<'a>(raw: *mut c_void) -> usize
    where
        Self: 'a,
    {
        raw.addr()
    }
}

// SAFETY: the pointer is that of the box.
unsafe impl<T: Send + Sync> Cdevpriv for KBox<T> {
    type Ref<'a>
        = &'a T
    where
        T: 'a;

    fn into_raw(self) -> *mut c_void {
        KBox::into_raw(self).cast()
    }

    unsafe fn from_raw(raw: *mut c_void) -> Self {
        // SAFETY: the caller guarantees it.
        unsafe { KBox::from_raw(raw.cast()) }
    }

    unsafe fn borrow<'a>(raw: *mut c_void) -> &'a T
    where
        T: 'a,
    {
        // SAFETY: the caller guarantees it. Shared references are all that others have.
        unsafe { &*raw.cast::<T>() }
    }
}

impl<D: Driver> Softc<D> {
    /// Keeps `file` with the file that is being opened, for d_open. If there is an error, the file
    /// is closed at once: ENOENT if the kernel itself opens the device, without a file. EBUSY if
    /// the file keeps something already. `devfs_set_cdevpriv`.
    pub(crate) fn set_cdevpriv(&self, file: D::Cdevpriv) -> Result {
        self.cdevprivs.fetch_add(1, Ordering::Relaxed);
        let kept = file.into_raw();
        // SAFETY: the destructor is that of the driver, whose softc stays until all files are
        // closed. After an error the kernel has not kept the pointer.
        unsafe {
            from_c(sys::devfs_set_cdevpriv(kept, Some(driver_dtor)))
                .inspect_err(|_| driver_dtor(kept))
        }
    }

    /// What the file keeps that this method was called through. `None` if it keeps nothing.
    /// `devfs_get_cdevpriv`.
    pub fn cdevpriv(&self, _call: &impl Call) -> Option<<D::Cdevpriv as Cdevpriv>::Ref<'_>> {
        let mut kept = ptr::null_mut();
        // SAFETY: the place is that of this function. The kernel finds the file by itself.
        let error = from_c(unsafe { sys::devfs_get_cdevpriv(&mut kept) });
        // SAFETY: a `Call` exists only in a method of a file that was opened by this driver, and
        // that file is what the kernel finds. The value stays while the method runs, since the
        // last close comes later, and destroy_dev(9) first waits for the methods. The method was
        // lent the softc for its own time, so the result cannot outlive it.
        error.is_ok().then(|| unsafe { D::Cdevpriv::borrow(kept) })
    }
}

/// The argument of a method of an open file. It proves that such a method runs.
pub trait Call: sealed::Sealed {}
impl Call for ReadUio<'_> {}
impl Call for WriteUio<'_> {}
impl Call for Data<'_> {}
impl Call for Poll {}

/// Closes the file that the running method was called through, if it keeps something.
/// `devfs_clear_cdevpriv`.
pub(crate) fn clear_cdevpriv() {
    // SAFETY: the kernel finds the file by itself. Any method may call this.
    unsafe { sys::devfs_clear_cdevpriv() }
}

/// The destructor of an open file. It is called from d_close, from the last close of the file, or
/// from destroy_dev(9). Ends in a tail call. Takes the lock.
///
/// # Safety
///
/// `kept` is the pointer of [`Softc::set_cdevpriv`], given back once.
pub unsafe fn dtor<D: Driver>(kept: *mut c_void) {
    // SAFETY: unloading waits for all open files before it frees the softc, and before another can
    // be loaded.
    let softc = unsafe { softc::<D>() };
    // SAFETY: the caller guarantees it.
    let file = unsafe { D::Cdevpriv::from_raw(kept) };
    let mut state = softc.sx_xlock();
    D::close(&mut state, file);
    let left = softc.cdevprivs.fetch_sub(1, Ordering::Relaxed) - 1;
    if left == 0 && state.dying() {
        state.wakeup_unload();
    }
    state.leave();
}
