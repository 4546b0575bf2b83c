//! Events of kevent(2), kqueue(9), `<sys/event.h>`.
//!
//! The kernel calls f_event with the lock of the device held, since it is also the lock of both
//! knlists. The three functions of the module that run outside of the methods are here and in
//! [`crate::devfs_set_cdevpriv`]. Each of them ends in a tail call to the kernel function that
//! releases the lock, because the KPI does not report when a thread has returned from them.
#![doc = concat!("```ignore\n", include_str!("../examples/kqueue.rs"), "```")]

mod callbacks;
mod filterops;
mod knote;

#[doc(hidden)]
pub use callbacks::{f_detach, read_event, write_event};
pub(crate) use filterops::Filterops;
pub use knote::Knote;
pub(crate) use knote::{Awaited, HINT};

use crate::driver::Driver;
use crate::errno::{Errno, Result};
use crate::softc::{Side, Softc, Waiters};
use crate::sx::Exclusive;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn kpi_knlist_init(knl: *mut sys::knlist, sx: *mut sys::sx);
}

impl Waiters {
    /// Initialises the knlist. `knlist_init`.
    ///
    /// # Safety
    ///
    /// The lock `sx` is the first field of a `Lock`, and neither of the two moves.
    pub(crate) unsafe fn knlist_init(&self, sx: *mut sys::sx) {
        // SAFETY: the list is zeroed memory, and the caller guarantees the rest.
        unsafe { kpi_knlist_init(self.knlist(), sx) };
    }
}

impl<D: Driver> Exclusive<'_, D> {
    /// Reports a change of the side to threads in poll(2), select(2) and kevent(2). Calls nothing
    /// if no thread waits. `selwakeup`, `KNOTE_LOCKED`.
    pub fn notify(&mut self, side: Side) {
        let waiters = self.softc.waiters(side);
        // SAFETY: the lock is held exclusively, as KNOTE_LOCKED demands. Knotes are attached only
        // under the lock, so an empty list stays empty meanwhile (KNLIST_EMPTY).
        unsafe {
            waiters.selwakeup();
            if !(*waiters.knlist()).kl_list.slh_first.is_null() {
                sys::knote(waiters.knlist(), HINT, sys::KNF_LISTLOCKED);
            }
        }
    }
}

impl<D: Driver> Softc<D> {
    /// Attaches a knote, for d_kqfilter. EINVAL for a filter other than EVFILT_READ and
    /// EVFILT_WRITE, ENXIO while the device is going away. Takes the lock. `knlist_add`.
    pub(crate) fn kqfilter(&self, kn: &mut Knote<'_>) -> Result {
        let side = match kn.filter() {
            sys::EVFILT_READ => Side::Read,
            sys::EVFILT_WRITE => Side::Write,
            _ => return Err(Errno::EINVAL),
        };
        let state = self.sx_xlock();
        state.check_dying()?;
        kn.bind(self.filters.table(kn.filter()), ptr::from_ref(self).cast());
        // SAFETY: a knote in d_kqfilter is on no list yet. The lock is held (1).
        unsafe { sys::knlist_add(self.waiters(side).knlist(), kn.as_raw(), 1) };
        Ok(())
    }
}

/// The lock, which the kernel holds exclusively around f_event. From there, a driver cannot notify
/// or sleep.
pub struct Locked<'a, D: Driver> {
    softc: &'a Softc<D>,
    owner: PhantomData<*mut ()>,
}

impl<D: Driver> Deref for Locked<'_, D> {
    type Target = D::State;

    fn deref(&self) -> &D::State {
        // SAFETY: the kernel holds the lock.
        unsafe { &*self.softc.state.get() }
    }
}
