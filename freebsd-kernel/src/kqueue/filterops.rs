//! The tables of f_detach and f_event that knotes point to, `struct filterops`.

use core::cell::Cell;
use core::ptr::NonNull;
use freebsd_kernel_sys as sys;

/// `struct kpi_filters` in `c/freebsd_kernel.c`.
#[repr(C)]
struct Raw([u8; 0]);

unsafe extern "C" {
    fn kpi_filters_alloc() -> NonNull<Raw>;
    fn kpi_filters_free(filters: NonNull<Raw>);
    fn kpi_filterops(filters: NonNull<Raw>, filter: i32) -> *mut sys::filterops;
}

/// The tables of one load of the module.
///
/// The kernel may read a table at any time after the knote that points to it was detached. So the
/// tables are never freed once a knote has used them. Their memory is not of the driver's malloc
/// type.
///
/// # Invariants
///
/// The pointer came from `kpi_filters_alloc`. `used` is accessed under the lock of the knlists.
pub(crate) struct Filterops {
    raw: NonNull<Raw>,
    used: Cell<bool>,
}

impl Filterops {
    /// Returns tables that no knote points to. May sleep.
    pub(crate) fn new() -> Self {
        // SAFETY: the caller may sleep. With M_WAITOK the pointer is not NULL.
        let raw = unsafe { kpi_filters_alloc() };
        let used = Cell::new(false);
        Self { raw, used }
    }

    /// Returns the table for EVFILT_READ or EVFILT_WRITE, for a knote. The lock is held.
    pub(super) fn table(&self, filter: i32) -> *mut sys::filterops {
        self.used.set(true);
        // SAFETY: by the invariant.
        unsafe { kpi_filterops(self.raw, filter) }
    }
}

impl Drop for Filterops {
    fn drop(&mut self) {
        if !self.used.get() {
            // SAFETY: by the invariant, and no knote was given a table.
            unsafe { kpi_filters_free(self.raw) }
        }
    }
}
