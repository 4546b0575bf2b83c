//! The device: a lock, the state under it, and two sides that threads wait for.
//!
//! # Lock order
//!
//! The caller's file descriptor table, then the lock of the device, then the kernel's own locks:
//! sleep queues, select, kqueues, and those of a page fault in uiomove(9). A thread that waits for
//! the lock may therefore wait for another thread's page fault.

use crate::driver::Driver;
use crate::kqueue::Filterops;
use crate::malloc::KBox;
use core::cell::{Cell, UnsafeCell};
use core::ffi::c_void;
use core::ops::Deref;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize};
use freebsd_kernel_sys as sys;

/// A side of the device, which threads wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Readers wait for bytes.
    Read,
    /// Writers wait for room.
    Write,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Read, Self::Write];
}

/// The wait channel of one side, and its selinfo. Its address is the channel.
///
/// # Invariants
///
/// `selinfo` is used under the lock of the device, which is also the lock of `si_note`. `sleepers`
/// is at least the number of threads on the sleep queue. It grows under the lock, so a thread that
/// holds the lock and reads 0 can rely on it.
pub(crate) struct Waiters {
    pub(crate) selinfo: UnsafeCell<sys::selinfo>,
    pub(crate) sleepers: AtomicU32,
}

impl Waiters {
    fn new() -> Self {
        // SAFETY: selinfo is plain C data. selrecord(9) and knlist_init(9) expect it zeroed.
        let selinfo = unsafe { core::mem::zeroed() };
        Self {
            selinfo: UnsafeCell::new(selinfo),
            sleepers: AtomicU32::new(0),
        }
    }

    pub(crate) fn channel(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    pub(crate) fn knlist(&self) -> *mut sys::knlist {
        // SAFETY: only the address of a field is taken.
        unsafe { &raw mut (*self.selinfo.get()).si_note }
    }
}

/// The lock and what the callbacks of its knlists need. It is the first field of a [`Softc`], so
/// that one address is that of the sx, of this and of the softc.
#[repr(C)]
pub(crate) struct Lock {
    pub(crate) sx: UnsafeCell<sys::sx>,
    /// Set while unloading waits for knotes. Each unlock of a knlist then wakes up the unload. The
    /// address is its wait channel.
    pub(crate) draining: Cell<bool>,
    /// The device is going away.
    pub(crate) dying: Cell<bool>,
}

/// The device of the driver `D`: what `si_drv1` and `kn_hook` point to. The value of `D` is beside
/// the lock, and `D::State` is reached through the guards of [`crate::sx`].
///
/// # Invariants
///
/// It is made only by [`Softc::new`], which initialises the lock and both knlists at their final
/// addresses. It never moves.
#[repr(C)]
pub struct Softc<D: Driver> {
    pub(crate) lock: Lock,
    read: Waiters,
    write: Waiters,
    pub(crate) filters: Filterops,
    /// Open files that keep something, and that the driver has not yet closed.
    pub(crate) cdevprivs: AtomicUsize,
    driver: D,
    pub(crate) state: UnsafeCell<D::State>,
}

// SAFETY: the guards, which hold the lock, are the only way to the state and to the cells. Shared
// guards give several threads a `&D::State`. The value of `D` is shared.
unsafe impl<D: Driver> Sync for Softc<D> where D::State: Send + Sync {}

impl<D: Driver> Softc<D> {
    /// Returns the device of `driver`. May sleep. `sx_init`, `knlist_init`.
    pub(crate) fn new(driver: D, state: D::State) -> KBox<Self> {
        let softc = KBox::new(Self {
            lock: Lock {
                // SAFETY: sx is plain C data, and sx_init(9) expects it zeroed.
                sx: UnsafeCell::new(unsafe { core::mem::zeroed() }),
                draining: Cell::new(false),
                dying: Cell::new(false),
            },
            read: Waiters::new(),
            write: Waiters::new(),
            filters: Filterops::new(),
            cdevprivs: AtomicUsize::new(0),
            driver,
            state: UnsafeCell::new(state),
        });
        // SAFETY: the softc is not shared yet, and boxed it does not move. The name is static.
        unsafe {
            sys::sx_init_flags(softc.sx(), D::NAME.as_ptr(), 0);
            for side in Side::BOTH {
                softc.waiters(side).knlist_init(softc.sx());
            }
        }
        softc
    }

    pub(crate) fn sx(&self) -> *mut sys::sx {
        self.lock.sx.get()
    }

    pub(crate) fn waiters(&self, side: Side) -> &Waiters {
        match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        }
    }
}

impl<D: Driver> Deref for Softc<D> {
    type Target = D;

    fn deref(&self) -> &D {
        &self.driver
    }
}

impl<D: Driver> Drop for Softc<D> {
    fn drop(&mut self) {
        // SAFETY: both lists are initialised and empty, since no knote was attached or unloading
        // has detached them. No thread is left to use the lock.
        unsafe {
            for side in Side::BOTH {
                sys::knlist_destroy(self.waiters(side).knlist());
            }
            sys::sx_destroy(self.sx());
        }
    }
}
