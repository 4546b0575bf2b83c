//! Waiting inside a method, sleep(9), `<sys/systm.h>`.
//!
//! Each [`Side`] is a wait channel. Sleeping takes the guard by value, so the state must be read
//! again afterwards. A change that one thread can use wakes one ([`Exclusive::wakeup_one`]). A
//! woken thread that leaves something for others must wake up the next sleeper.
#![doc = concat!("```ignore\n", include_str!("../examples/sleep.rs"), "```")]

use crate::driver::Driver;
use crate::errno::{Result, from_c};
use crate::softc::{Side, Softc};
use crate::sx::Exclusive;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::mem;
use core::sync::atomic::Ordering;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn kpi_sx_sleep(chan: *mut c_void, sx: *mut sys::sx, wmesg: *const c_char) -> c_int;
}

impl<D: Driver> Exclusive<'_, D> {
    /// Unlocks, sleeps until the side is woken up, and locks again. `wmesg` is the sleep message
    /// that ps(1) shows. A signal ends the sleep, and the wait for the lock after it. The error is
    /// then EINTR or ERESTART, the lock is released, and the method returns the error unchanged. A
    /// stop signal counts. `sx_sleep` with PCATCH, `sigdeferstop`.
    ///
    /// After an error, the next sleeper is woken up here.
    #[inline(always)]
    pub fn sx_sleep(self, side: Side, wmesg: &'static CStr) -> Result<Self> {
        let softc = self.softc;
        mem::forget(self);
        softc.sleep(side, wmesg)?;
        Ok(Exclusive::new(softc))
    }

    /// Whether a thread may sleep on the side.
    fn has_sleepers(&self, side: Side) -> bool {
        let sleepers = &self.softc.waiters(side).sleepers;
        sleepers.load(Ordering::Relaxed) != 0
    }

    /// Wakes up one thread that sleeps on the side, if there is one: of those with the highest
    /// priority, the one that has slept longest. `wakeup_one`.
    pub fn wakeup_one(&mut self, side: Side) {
        if self.has_sleepers(side) {
            // SAFETY: any address is a wait channel.
            unsafe { sys::wakeup_one(self.softc.waiters(side).channel()) };
        }
    }

    /// Wakes up all threads that sleep on the side, and notifies the others. For changes that
    /// concern every thread. `wakeup`, [`Exclusive::notify`].
    #[cold]
    pub fn wakeup_and_notify(&mut self, side: Side) {
        if self.has_sleepers(side) {
            // SAFETY: any address is a wait channel.
            unsafe { sys::wakeup(self.softc.waiters(side).channel()) };
        }
        self.notify(side);
    }
}

impl<D: Driver> Softc<D> {
    /// [`Exclusive::sx_sleep`] without the guard. The lock is held before, and held afterwards if
    /// there is no error.
    #[cold]
    fn sleep(&self, side: Side, wmesg: &'static CStr) -> Result {
        let waiters = self.waiters(side);
        waiters.sleepers.fetch_add(1, Ordering::Relaxed);
        // SAFETY: this thread holds the lock. The sleep releases it, and takes it again unless
        // there is an error.
        let error = unsafe { kpi_sx_sleep(waiters.channel(), self.sx(), wmesg.as_ptr()) };
        waiters.sleepers.fetch_sub(1, Ordering::Relaxed);
        let slept = from_c(error);
        // Without the lock it is unknown whether there is something to use. A woken thread checks.
        if slept.is_err() {
            // SAFETY: any address is a wait channel.
            unsafe { sys::wakeup_one(waiters.channel()) };
        }
        slept
    }
}
