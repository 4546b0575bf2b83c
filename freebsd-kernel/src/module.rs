//! Loading and unloading, module(9), `<sys/module.h>`.
//!
//! # Unloading
//!
//! 1. Under the lock, the device is marked as dying, and both sides are woken up and notified.
//!    Each thread that waits for something then finds that the device is going away.
//! 2. destroy_dev(9) waits until no thread is in a method, and runs the destructors of open files.
//! 3. A close that lost the race with destroy_dev(9) runs its destructor outside of the methods.
//!    destroy_dev(9) does not wait for it, so the unload does.
//! 4. Threads in kevent(2) have been woken up but have not collected the event. The unload waits
//!    for them, for at most a tenth of a second.
//! 5. The knotes and polling threads that are left are detached. Then nothing in the kernel points
//!    to the device, and it is freed.
//!
//! If the device has no open file and no knote, nothing sleeps. `docs/soundness.md` gives the
//! reasons.
#![doc = concat!("```ignore\n", include_str!("../examples/module.rs"), "```")]

use crate::driver::Driver;
use crate::errno::to_c;
use crate::kqueue::{Awaited, Knote};
use crate::make_dev::{destroy_dev, make_dev};
use crate::malloc::KBox;
use crate::softc::{Lock, Side, Softc};
use crate::sx::Exclusive;
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn kpi_curthread() -> *mut sys::thread;
}

/// The softc of the driver, while the module is loaded.
static SOFTC: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Its node.
static DEV: AtomicPtr<sys::cdev> = AtomicPtr::new(ptr::null_mut());

/// The sleep message of an unload.
const WMESG: &CStr = c"drvunl";

/// A second, `<sys/time.h>`.
const SBT_1S: sys::sbintime_t = 1 << 32;

/// How long unloading waits for threads in kevent(2) to collect their last event. A process that
/// does not call kevent(2) again must not delay the unload.
const COLLECT_TIMEOUT: sys::sbintime_t = SBT_1S / 10;

/// How soon a knote that has missed a KNOTE gets another.
const RETRY_INTERVAL: sys::sbintime_t = SBT_1S / 100;

/// # Safety
///
/// `D` is the driver of this module, and the reference is used only until the module is unloaded.
pub(crate) unsafe fn softc<'a, D: Driver>() -> &'a Softc<D> {
    // SAFETY: the caller guarantees it.
    unsafe { &*SOFTC.load(Ordering::Relaxed).cast() }
}

/// MOD_LOAD.
///
/// # Safety
///
/// The event handler of the module calls it, for the one driver of the module.
pub unsafe fn load<D: Driver>() -> c_int {
    to_c(D::load().and_then(|(driver, state)| {
        let softc = Softc::new(driver, state).into_raw();
        SOFTC.store(softc.cast(), Ordering::Relaxed);
        // SAFETY: the softc is what the methods expect, and `unload` frees it after destroy_dev.
        // If make_dev fails, no other thread has seen it.
        unsafe {
            match make_dev(D::NAME, D::MODE, softc) {
                Ok(dev) => {
                    DEV.store(dev, Ordering::Relaxed);
                    Ok(())
                }
                Err(error) => {
                    drop(KBox::from_raw(softc));
                    Err(error)
                }
            }
        }
    }))
}

/// MOD_UNLOAD. The kernel also sends it after a MOD_LOAD that has failed.
///
/// # Safety
///
/// As [`load`].
pub unsafe fn unload<D: Driver>() {
    let dev = DEV.swap(ptr::null_mut(), Ordering::Relaxed);
    if dev.is_null() {
        return;
    }
    let softc = SOFTC.load(Ordering::Relaxed).cast::<Softc<D>>();
    // SAFETY: the pointers are those that `load` has set. After destroy_dev no thread is in a
    // method, after `drain` none is in a destructor, and no knote is left.
    unsafe {
        (*softc).begin_unload();
        destroy_dev(dev);
        (*softc).drain();
        (*softc).detach_waiters();
        drop(KBox::from_raw(softc));
    }
}

/// The time since boot. `binuptime`.
fn sbinuptime() -> sys::sbintime_t {
    let mut time = sys::bintime { sec: 0, frac: 0 };
    // SAFETY: the place is that of this function.
    unsafe { sys::binuptime(&mut time) };
    (time.sec << 32) + (time.frac >> 32) as sys::sbintime_t
}

impl Lock {
    /// The wait channel of the thread that unloads.
    pub(crate) fn channel(&self) -> *mut c_void {
        self.draining.as_ptr().cast()
    }
}

impl<D: Driver> Softc<D> {
    /// Wakes up and notifies all threads that wait for anything. Takes the lock.
    fn begin_unload(&self) {
        let mut state = self.sx_xlock();
        self.lock.dying.set(true);
        for side in Side::BOTH {
            state.wakeup_and_notify(side);
        }
    }

    /// Waits until all open files are closed, and until events are collected. Takes the lock, and
    /// sleeps if there is something to wait for.
    fn drain(&self) {
        let mut state = self.sx_xlock();
        while self.cdevprivs.load(Ordering::Relaxed) != 0 {
            state.sleep_unload(0);
        }
        state.wait_collected();
    }

    /// Detaches the knotes and the polling threads that are left. No thread can attach or record
    /// any more. Takes the lock. `knlist_delete`, `seldrain`.
    fn detach_waiters(&self) {
        for side in Side::BOTH {
            let waiters = self.waiters(side);
            // SAFETY: both lists are initialised. knlist_clear would leave knotes that point to
            // functions of the module. knlist_delete may drop a file with the lock held. The close
            // of that file finds no device and nothing kept, so it does not return here.
            unsafe {
                sys::knlist_cleardel(waiters.knlist(), kpi_curthread(), 0, 1);
                sys::seldrain(waiters.selinfo.get());
            }
        }
    }

    /// What the unload must still wait for. The lock is held exclusively.
    fn awaited(&self) -> Awaited {
        let mut most = Awaited::Collected;
        for side in Side::BOTH {
            // SAFETY: the list is initialised. The lock is held, so its links do not change.
            unsafe {
                let mut kn = (*self.waiters(side).knlist()).kl_list.slh_first;
                while !kn.is_null() {
                    most = most.max(Knote::new(kn).awaited());
                    kn = (*kn).kn_selnext.sle_next;
                }
            }
        }
        most
    }
}

impl<D: Driver> Exclusive<'_, D> {
    /// Wakes up the thread that unloads.
    pub(crate) fn wakeup_unload(&mut self) {
        // SAFETY: any address is a wait channel.
        unsafe { sys::wakeup(self.softc().lock.channel()) };
    }

    /// Unlocks, sleeps until [`Exclusive::wakeup_unload`], or until `deadline` since boot if that
    /// is not 0, and locks again. Signals do not end the sleep.
    fn sleep_unload(&mut self, deadline: sys::sbintime_t) {
        let softc = self.softc();
        // SAFETY: this thread holds the lock. `_sleep` releases it and takes it again.
        unsafe {
            let lock = &raw mut (*softc.sx()).lock_object;
            let wmesg = WMESG.as_ptr();
            sys::_sleep(
                softc.lock.channel(),
                lock,
                0,
                wmesg,
                deadline,
                0,
                sys::C_ABSOLUTE,
            );
        }
    }

    /// Unlocks, sleeps until every thread in kevent(2) has collected its last event, but at most
    /// a tenth of a second, and locks again.
    ///
    /// A thread may wait while its knote is attached, unless the event was collected: the kernel
    /// has then cleared an EV_CLEAR knote. Other threads on the same kqueue may scan other knotes
    /// again.
    fn wait_collected(&mut self) {
        let softc = self.softc();
        softc.lock.draining.set(true);
        let mut now = sbinuptime();
        let deadline = now + COLLECT_TIMEOUT;
        while now < deadline {
            let wake = match softc.awaited() {
                Awaited::Collected => break,
                Awaited::Pending => deadline,
                // KNOTE passes over the knotes of a kqueue that is reported (procstat(1)) or
                // copied.
                Awaited::Missed => {
                    Side::BOTH.into_iter().for_each(|side| self.notify(side));
                    deadline.min(now + RETRY_INTERVAL)
                }
            };
            self.sleep_unload(wake);
            now = sbinuptime();
        }
        softc.lock.draining.set(false);
    }
}
