//! Taking a monitor down: every waiter is woken up, then nothing in the kernel may point to it any
//! more.

use super::{Exclusive, Lock, Monitor, Side};
use crate::kpi::knote::{Awaited, Knote};
use core::ffi::{CStr, c_void};
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn echodev_curthread() -> *mut sys::thread;
}

/// A second, `<sys/time.h>`.
const SBT_1S: sys::sbintime_t = 1 << 32;

/// How long unloading waits for kevent(2) waiters to collect their last event. A process that does
/// not call kevent(2) again must not hold unloading up.
const COLLECT_TIMEOUT: sys::sbintime_t = SBT_1S / 10;

/// How soon a knote that has missed a KNOTE gets another.
const RETRY_INTERVAL: sys::sbintime_t = SBT_1S / 100;

/// The time since boot. `binuptime`.
fn sbinuptime() -> sys::sbintime_t {
    let mut time = sys::bintime { sec: 0, frac: 0 };
    // SAFETY: the place is this function's.
    unsafe { sys::binuptime(&mut time) };
    (time.sec << 32) + (time.frac >> 32) as sys::sbintime_t
}

impl Lock {
    /// The wait channel of the thread that unloads.
    pub(super) fn channel(&self) -> *mut c_void {
        self.draining.as_ptr().cast()
    }
}

impl<T, C> Monitor<T, C> {
    /// Drops the knotes that are left and lets go of polling threads; then nothing in the kernel
    /// points here any more. To be called once no thread can come to attach or record, and with no
    /// guard: takes the lock. `knlist_delete`, `seldrain`.
    pub fn retire(&self) {
        for side in Side::BOTH {
            let waiters = self.waiters(side);
            // SAFETY: both lists are initialised. knlist_delete, not knlist_clear: the latter
            // leaves knotes that point to functions of the module. It may let go of a file with the
            // lock held, whose close then finds no device and no token: it does not come back here.
            unsafe {
                sys::knlist_cleardel(waiters.knlist(), echodev_curthread(), 0, 1);
                sys::seldrain(waiters.selinfo.get());
            }
        }
    }

    /// What the knotes of both sides are waited for, all in all. The lock must be held exclusively.
    fn awaited(&self) -> Awaited {
        let mut most = Awaited::Collected;
        for side in Side::BOTH {
            // SAFETY: the list is initialised; the lock is held, so knotes stay on it, and their
            // links as they are.
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

impl<T, C> Exclusive<'_, T, C> {
    /// Unlocks, sleeps until [`Exclusive::wake_drain`], or until `deadline` since boot if that is
    /// not 0, and locks again. Signals do not end it.
    fn sleep_until(&mut self, wmesg: &'static CStr, deadline: sys::sbintime_t) {
        let channel = self.monitor.lock.channel();
        // SAFETY: the lock is this thread's and held; `_sleep` releases it and takes it back.
        unsafe {
            let lock = &raw mut (*self.monitor.sx()).lock_object;
            sys::_sleep(
                channel,
                lock,
                0,
                wmesg.as_ptr(),
                deadline,
                0,
                sys::C_ABSOLUTE,
            );
        }
    }

    /// Unlocks, sleeps until [`Exclusive::wake_drain`], and locks again. Signals do not end it.
    pub fn sleep_drain(&mut self, wmesg: &'static CStr) {
        self.sleep_until(wmesg, 0);
    }

    /// Unlocks, and sleeps until every kevent(2) waiter has collected its last event, for at most a
    /// tenth of a second. Locks again. To be called after the device has begun to report that it is
    /// going away.
    ///
    /// A thread may wait for as long as its knote is there, unless the event was collected: then
    /// the kernel has cleared an EV_CLEAR knote. Other knotes can be scanned again, by other
    /// threads on the same kqueue.
    pub fn wait_collected(&mut self, wmesg: &'static CStr) {
        self.monitor.lock.draining.set(true);
        let mut now = sbinuptime();
        let deadline = now + COLLECT_TIMEOUT;
        while now < deadline {
            let wake = match self.monitor.awaited() {
                Awaited::Collected => break,
                Awaited::Pending => deadline,
                // While a kqueue is reported (procstat(1)) or copied, KNOTE passes over its knotes.
                Awaited::Missed => {
                    Side::BOTH.into_iter().for_each(|side| self.notify(side));
                    deadline.min(now + RETRY_INTERVAL)
                }
            };
            self.sleep_until(wmesg, wake);
            now = sbinuptime();
        }
        self.monitor.lock.draining.set(false);
    }
}
