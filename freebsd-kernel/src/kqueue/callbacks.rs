//! The functions that the kernel calls for a knote or a knlist.

use super::{HINT, Knote, Locked};
use crate::driver::Driver;
use crate::softc::{Lock, Side, Softc};
use core::ffi::{CStr, c_int, c_long, c_void};
use core::marker::PhantomData;
use freebsd_kernel_sys as sys;

/// The file name for witness(4).
const FILE: &CStr = c"freebsd-kernel/src/kqueue/callbacks.rs";

/// `kl_lock` of both knlists.
///
/// # Safety
///
/// `arg` is the lock that `kpi_knlist_init` was given.
#[unsafe(no_mangle)]
unsafe extern "C" fn kpi_knlist_lock(arg: *mut c_void) {
    // SAFETY: the caller guarantees the lock.
    unsafe { sys::_sx_xlock(arg.cast(), 0, FILE.as_ptr(), line!() as c_int) };
}

/// `kl_unlock` of both knlists. Wakes up the unload if it waits for knotes. Ends in a tail call.
///
/// # Safety
///
/// As [`kpi_knlist_lock`], and the calling thread holds the lock exclusively.
#[unsafe(no_mangle)]
unsafe extern "C" fn kpi_knlist_unlock(arg: *mut c_void) {
    // SAFETY: the caller guarantees the lock. The sx is the first field of a `Lock`.
    unsafe {
        let lock = arg.cast::<Lock>();
        if (*lock).draining.get() {
            sys::wakeup((*lock).channel());
        }
        sys::_sx_xunlock((*lock).sx.get(), FILE.as_ptr(), line!() as c_int);
    }
}

/// f_detach. Ends in a tail call. Takes the lock. `knlist_remove`.
///
/// # Safety
///
/// `kn` was attached by [`Softc::kqfilter`], and was not detached since. The lock is not held.
pub unsafe fn f_detach<D: Driver>(kn: *mut sys::knote) {
    // SAFETY: the knote is the argument of this call. Its hook is the softc, which is freed after
    // its knotes. The filter of a knote never changes, so it is on the list of this side.
    unsafe {
        let kn = Knote::new(kn);
        let softc = &*kn.hook().cast::<Softc<D>>();
        let read = kn.filter() == sys::EVFILT_READ;
        let side = if read { Side::Read } else { Side::Write };
        sys::knlist_remove(softc.waiters(side).knlist(), kn.as_raw(), 0);
    }
}

/// f_event of the side to read.
///
/// # Safety
///
/// `kn` was attached by [`Softc::kqfilter`], and the lock of its list is held.
pub unsafe fn read_event<D: Driver>(kn: *mut sys::knote, hint: c_long) -> c_int {
    // SAFETY: the caller guarantees it.
    unsafe { event(kn, hint, D::read_event) }
}

/// f_event of the side to write.
///
/// # Safety
///
/// As [`read_event`].
pub unsafe fn write_event<D: Driver>(kn: *mut sys::knote, hint: c_long) -> c_int {
    // SAFETY: the caller guarantees it.
    unsafe { event(kn, hint, D::write_event) }
}

/// # Safety
///
/// As [`read_event`].
#[inline(always)]
unsafe fn event<D: Driver>(
    kn: *mut sys::knote,
    hint: c_long,
    event: impl FnOnce(&Locked<'_, D>, &mut Knote<'_>) -> bool,
) -> c_int {
    // SAFETY: the knote is the argument of this call. Its hook is the softc, which is freed after
    // its knotes. The kernel holds the lock, and no reference to the state is in use: a thread
    // that calls KNOTE has its guard borrowed mutably meanwhile.
    let (locked, mut kn) = unsafe {
        let kn = Knote::new(kn);
        let softc = &*kn.hook().cast::<Softc<D>>();
        let owner = PhantomData;
        (Locked { softc, owner }, kn)
    };
    let dying = locked.softc.lock.dying.get();
    if dying && hint == HINT && kn.is_last_reported() {
        // KNOTE was repeated, for other knotes. This one may have been collected since.
        return 0;
    }
    let fires = event(&locked, &mut kn);
    if dying {
        report_gone(&mut kn);
        return 1;
    }
    fires.into()
}

/// Makes the event report that the device is going away: EV_EOF with ENXIO.
#[cold]
fn report_gone(kn: &mut Knote<'_>) {
    kn.set_last_reported();
    kn.set_eof();
    kn.set_fflags(sys::ENXIO);
}
