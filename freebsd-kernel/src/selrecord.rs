//! Threads in poll(2) and select(2), selrecord(9), `<sys/selinfo.h>`.
//!
//! [`Exclusive::notify`](crate::sx::Exclusive::notify) wakes up the threads that were recorded.
#![doc = concat!("```ignore\n", include_str!("../examples/selrecord.rs"), "```")]

use crate::driver::Driver;
use crate::softc::{Side, Waiters};
use crate::sx::Shared;
use core::sync::atomic::{AtomicPtr, Ordering};
use freebsd_kernel_sys as sys;

/// A d_poll that has not returned. Only there is selrecord(9) legal.
pub struct Poll {
    td: *mut sys::thread,
}

impl Poll {
    /// # Safety
    ///
    /// `td` is the argument of a d_poll that has not returned while the value is used.
    pub(crate) unsafe fn new(td: *mut sys::thread) -> Self {
        Self { td }
    }
}

impl<D: Driver> Shared<'_, D> {
    /// Records the polling thread, so that the next notification of the side wakes it up. A d_poll
    /// may record two times, since the kernel has room for two, and panics otherwise. `selrecord`.
    pub fn selrecord(&self, side: Side, poll: &Poll) {
        let selinfo = self.softc.waiters(side).selinfo.get();
        // SAFETY: a Poll exists only inside d_poll. The selinfo is initialised, and the kernel has
        // its own lock for it.
        unsafe { sys::selrecord(poll.td, selinfo) };
    }
}

impl Waiters {
    /// Wakes up the threads that were recorded, if there are any. `selwakeup`.
    ///
    /// # Safety
    ///
    /// The lock of the device is held exclusively.
    pub(crate) unsafe fn selwakeup(&self) {
        // SAFETY: the selinfo is initialised. Threads are recorded only under the lock, so an
        // empty list stays empty meanwhile (SEL_WAITING). Threads that have polled leave the list
        // under a lock of select(2) alone, so the load is atomic.
        unsafe {
            let first = &raw mut (*self.selinfo.get()).si_tdlist.tqh_first;
            if !AtomicPtr::from_ptr(first).load(Ordering::Relaxed).is_null() {
                sys::selwakeup(self.selinfo.get());
            }
        }
    }
}
