//! The lock of the device, sx(9), `<sys/sx.h>`.
//!
//! An [`Exclusive`] or [`Shared`] guard proves that the lock is held. It is the only way to the
//! state, and to what needs the lock: [`crate::sleep`], [`crate::selrecord`], [`crate::kqueue`].
#![doc = concat!("```ignore\n", include_str!("../examples/sx.rs"), "```")]

use crate::driver::Driver;
use crate::errno::{Errno, Result, from_c};
use crate::softc::Softc;
use core::ffi::{CStr, c_char, c_int};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn kpi_sx_xlock_sig(sx: *mut sys::sx) -> c_int;
}

/// The file name for witness(4) where a guard unlocks. WITNESS also shows where it was locked.
const FILE: &CStr = c"freebsd-kernel/src/sx.rs";

/// The file and the line of the call of the function that calls this, for witness(4).
#[inline(always)]
#[track_caller]
fn caller() -> (*const c_char, c_int) {
    let at = Location::caller();
    (at.file_as_c_str().as_ptr(), at.line() as c_int)
}

impl<D: Driver> Softc<D> {
    /// Locks exclusively. May sleep, and no signal ends the sleep. Panics if the thread holds the
    /// lock exclusively, and deadlocks if it holds it shared. `sx_xlock`.
    #[track_caller]
    pub fn sx_xlock(&self) -> Exclusive<'_, D> {
        let (file, line) = caller();
        // SAFETY: the lock is initialised.
        unsafe { sys::_sx_xlock(self.sx(), 0, file, line) };
        self.locked()
    }

    /// Locks exclusively. May sleep, and a signal ends the sleep. EINTR or ERESTART, which the
    /// method returns unchanged. A stop signal counts, so that a stopped thread does not wait
    /// inside the method. `sx_xlock_sig`, `sigdeferstop`.
    #[track_caller]
    pub fn sx_xlock_sig(&self) -> Result<Exclusive<'_, D>> {
        let (file, line) = caller();
        // The attempt costs no more than sx_xlock(9), and only a thread that has to wait needs to
        // defer stop signals. It fails if this thread holds the lock, which is not recursive.
        // SAFETY: the lock is initialised.
        if unsafe { sys::sx_try_xlock_(self.sx(), file, line) } != 0 {
            return Ok(Exclusive::new(self));
        }
        self.wait_for_lock()
    }

    #[cold]
    fn wait_for_lock(&self) -> Result<Exclusive<'_, D>> {
        // SAFETY: the lock is initialised.
        from_c(unsafe { kpi_sx_xlock_sig(self.sx()) })?;
        Ok(self.locked())
    }

    /// Returns the guard of a lock that was just taken.
    fn locked(&self) -> Exclusive<'_, D> {
        // SAFETY: the lock is initialised, and the field belongs to its owner.
        let recursed = unsafe { (*self.sx()).lock_object.lo_data };
        // Without INVARIANTS, the kernel lets every lock recurse. Two guards of one thread would
        // be two `&mut` of the state.
        assert!(recursed == 0, "this thread holds the lock already");
        Exclusive::new(self)
    }

    /// Locks for reading, together with other readers. May sleep. `sx_slock`.
    #[track_caller]
    pub fn sx_slock(&self) -> Shared<'_, D> {
        let (file, line) = caller();
        // SAFETY: the lock is initialised.
        unsafe { sys::_sx_slock(self.sx(), 0, file, line) };
        Shared {
            softc: self,
            owner: PhantomData,
        }
    }
}

/// The lock, held exclusively. Dropping the guard unlocks. The guard stays in its thread.
pub struct Exclusive<'a, D: Driver> {
    pub(crate) softc: &'a Softc<D>,
    owner: PhantomData<*mut ()>,
}

impl<'a, D: Driver> Exclusive<'a, D> {
    /// The caller holds the lock, and no other guard of it.
    pub(crate) fn new(softc: &'a Softc<D>) -> Self {
        let owner = PhantomData;
        Self { softc, owner }
    }

    /// The device.
    pub fn softc(&self) -> &'a Softc<D> {
        self.softc
    }

    /// Whether the device is going away. A thread must not sleep then.
    pub fn dying(&self) -> bool {
        self.softc.lock.dying.get()
    }

    /// ENXIO while the device is going away.
    pub fn check_dying(&self) -> Result {
        if self.dying() {
            Err(Errno::ENXIO)
        } else {
            Ok(())
        }
    }

    /// Unlocks, as the last thing that a function of the module does: in a tail call.
    pub(crate) fn leave(self) {
        let sx = self.softc.sx();
        core::mem::forget(self);
        // SAFETY: this thread holds the lock exclusively.
        unsafe { sys::_sx_xunlock(sx, FILE.as_ptr(), line!() as c_int) };
    }
}

impl<D: Driver> Deref for Exclusive<'_, D> {
    type Target = D::State;

    fn deref(&self) -> &D::State {
        // SAFETY: the lock is held.
        unsafe { &*self.softc.state.get() }
    }
}

impl<D: Driver> DerefMut for Exclusive<'_, D> {
    fn deref_mut(&mut self) -> &mut D::State {
        // SAFETY: the lock is held exclusively, and `&mut self` excludes other references.
        unsafe { &mut *self.softc.state.get() }
    }
}

impl<D: Driver> Drop for Exclusive<'_, D> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock exclusively.
        unsafe { sys::_sx_xunlock(self.softc.sx(), FILE.as_ptr(), line!() as c_int) };
    }
}

/// The lock, held together with other readers. Dropping the guard unlocks. The guard stays in its
/// thread.
pub struct Shared<'a, D: Driver> {
    pub(crate) softc: &'a Softc<D>,
    owner: PhantomData<*mut ()>,
}

impl<D: Driver> Shared<'_, D> {
    /// Whether the device is going away.
    pub fn dying(&self) -> bool {
        self.softc.lock.dying.get()
    }
}

impl<D: Driver> Deref for Shared<'_, D> {
    type Target = D::State;

    fn deref(&self) -> &D::State {
        // SAFETY: the lock is held, so no thread has the state exclusively.
        unsafe { &*self.softc.state.get() }
    }
}

impl<D: Driver> Drop for Shared<'_, D> {
    fn drop(&mut self) {
        // SAFETY: this thread holds the lock shared.
        unsafe { sys::_sx_sunlock(self.softc.sx(), FILE.as_ptr(), line!() as c_int) };
    }
}
