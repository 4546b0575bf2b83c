//! What runs last in the module: the callbacks of the knlists, f_detach, and the destructor of an
//! open file.
//!
//! Nothing in the KPI reports when a thread has returned from these to the kernel. So none of them
//! has anything left to do when it releases the lock: each ends in a tail call, and the function
//! that releases the lock returns to the kernel itself. Unloading takes the lock once more before
//! it frees anything. `xtask check` reads the finished file for this.

use super::{Exclusive, Lock, Monitor, Side};
use crate::kpi::knote::Knote;
use core::ffi::{CStr, c_int, c_void};
use core::mem;
use freebsd_kernel_sys as sys;

/// This file, for witness(4).
const FILE: &CStr = c"src/kpi/monitor/leave.rs";

/// `kl_lock` of both knlists.
///
/// # Safety
///
/// `arg` is the lock that `echodev_knlist_init` was given.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_knlist_lock(arg: *mut c_void) {
    // SAFETY: as the caller says.
    unsafe { sys::_sx_xlock(arg.cast(), 0, FILE.as_ptr(), line!() as c_int) };
}

/// `kl_unlock` of both knlists: wakes up the thread that unloads, if it waits for knotes, and
/// unlocks.
///
/// # Safety
///
/// As [`echodev_knlist_lock`], and the calling thread holds the lock exclusively.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_knlist_unlock(arg: *mut c_void) {
    // SAFETY: as the caller says; the sx is the first field of a `Lock`.
    unsafe {
        let lock = arg.cast::<Lock>();
        if (*lock).draining.get() {
            sys::wakeup((*lock).channel());
        }
        sys::_sx_xunlock((*lock).sx.get(), FILE.as_ptr(), line!() as c_int);
    }
}

impl<T, C> Monitor<T, C> {
    /// Takes `kn` off its side, for f_detach, which must end with this call. Takes the lock
    /// exclusively. `knlist_remove`.
    ///
    /// # Safety
    ///
    /// It was attached to this `side` of this monitor, and not taken off since.
    pub unsafe fn detach(&self, side: Side, kn: &Knote<'_>) {
        // SAFETY: as the caller says; the lock is not held (0).
        unsafe { sys::knlist_remove(self.waiters(side).knlist(), kn.as_raw(), 0) };
    }
}

impl<T, C> Exclusive<'_, T, C> {
    /// Wakes up the thread that unloads, in [`Exclusive::sleep_drain`].
    pub fn wake_drain(&mut self) {
        // SAFETY: any address is a channel.
        unsafe { sys::wakeup(self.monitor.lock.channel()) };
    }

    /// Unlocks, as the last thing that a function of the module does.
    pub fn leave(self) {
        let sx = self.monitor.sx();
        mem::forget(self);
        // SAFETY: the lock is held exclusively by this thread.
        unsafe { sys::_sx_xunlock(sx, FILE.as_ptr(), line!() as c_int) };
    }
}
