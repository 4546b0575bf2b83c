//! The tables of f_detach and f_event that knotes point to, `struct filterops` in `<sys/event.h>`.

use core::cell::Cell;
use core::ptr::NonNull;
use freebsd_kernel_sys as sys;

/// `struct echodev_filters` in `c_shim/echodev.c`.
#[repr(C)]
struct Raw([u8; 0]);

unsafe extern "C" {
    fn echodev_filters_alloc() -> NonNull<Raw>;
    fn echodev_filters_free(filters: NonNull<Raw>);
    fn echodev_filterops(filters: NonNull<Raw>, filter: i32) -> *mut sys::filterops;
}

/// The tables of one load of the module.
///
/// The kernel may read a table at any time after the knote that points to it has been detached. So
/// the tables stay for good once a knote has used them, in memory that is not of the module's
/// malloc type.
///
/// # Invariants
///
/// The pointer came from `echodev_filters_alloc`. `used` is set and read under the lock of the
/// knlists.
pub struct Filters {
    raw: NonNull<Raw>,
    used: Cell<bool>,
}

impl Filters {
    /// Tables that no knote points to. May sleep.
    pub fn new() -> Self {
        // SAFETY: the caller may sleep; M_WAITOK gives no NULL.
        Self {
            raw: unsafe { echodev_filters_alloc() },
            used: Cell::new(false),
        }
    }

    /// The table for EVFILT_READ or EVFILT_WRITE, to be given to a knote. The lock is held.
    pub fn table(&self, filter: i32) -> *mut sys::filterops {
        self.used.set(true);
        // SAFETY: by the invariant.
        unsafe { echodev_filterops(self.raw, filter) }
    }
}

impl Drop for Filters {
    fn drop(&mut self) {
        if !self.used.get() {
            // SAFETY: by the invariant, and no knote was given a table.
            unsafe { echodev_filters_free(self.raw) }
        }
    }
}
