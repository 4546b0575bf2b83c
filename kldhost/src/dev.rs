//! Devices and their open files: devfs(5), selinfo, kqueues.
//!
//! Uses the layers up to `kern`. [`Dev`] is the state of this layer, which each kernel has one of.
//! Its methods, and the functions here, take the thread that calls; [`Dev::of`] finds the state.
//!
//! Locking: a knlist's lock (the module's) comes before that of a kqueue. The lock of a kqueue
//! comes before the mutexes of selinfo, devfs and the tables here, which are leaves. No lock of
//! this layer is held while a method of a device runs. The lock of a kqueue is held while knote(9)
//! calls a filter.

pub mod cdevpriv;
pub mod devfs;
pub mod device;
pub mod fdtable;
pub mod file;
mod fileops;
pub mod kqueue;
pub mod select;
mod vnode;

use crate::abi::layout::Lock;
use crate::kern::{Kern, mtx};

/// The state of the device layer of a kernel.
pub struct Dev {
    /// The devices by name.
    pub devfs: devfs::Devfs,
    /// The waiters on selinfos.
    pub waiters: select::Waiters,
    /// The filters' tables that knotes refer to.
    pub tables: kqueue::Tables,
    /// The knlists.
    pub knlists: kqueue::Knlists,
    /// The lock of knlists that are initialised without one.
    pub knlist_lock: Box<Lock>,
    /// The address of `knote_triv_copy`, if the kernel has it.
    knote_triv_copy: Option<usize>,
}

// SAFETY: the raw pointer in `knlist_lock` is a name. All other data is atomic or locked.
unsafe impl Send for Dev {}
// SAFETY: as above.
unsafe impl Sync for Dev {}

impl Dev {
    /// No device. `knote_triv_copy` is the address of that function, if the kernel has it.
    pub fn new(knote_triv_copy: Option<usize>) -> Dev {
        Dev {
            devfs: devfs::Devfs::default(),
            waiters: select::Waiters::default(),
            tables: kqueue::Tables::default(),
            knlists: kqueue::Knlists::default(),
            knlist_lock: Box::new(mtx::new(c"knlist lock for lockless objects")),
            knote_triv_copy,
        }
    }

    /// Registers the layer's own lock with `kern`, which was booted with this state.
    pub fn boot(&self, kern: &Kern) {
        kern.witness.lock_initialised(self.knlist_lock.addr());
    }

    /// The state of this layer of `kern`.
    pub fn of(kern: &Kern) -> &Dev {
        kern.dev
            .downcast_ref()
            .expect("a kernel is booted with the state of this layer")
    }
}
