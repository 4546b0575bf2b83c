//! The kernel's own data about knlists, which are in the memory of the module.

use std::collections::HashMap;

use crate::machine::sync::Mutex;

/// The kernel's data about knlists, by address.
#[derive(Default)]
pub struct Knlists {
    /// How many knotes each has.
    notes: Mutex<HashMap<usize, usize>>,
    /// The lock that its lock function takes, if it differs from the lock of knlist_init(9).
    pub locks: Mutex<HashMap<usize, usize>>,
}

impl Knlists {
    /// Whether one at these addresses has knotes.
    pub fn any(&self, within: impl Fn(usize) -> bool) -> bool {
        self.notes.lock().keys().any(|&knl| within(knl))
    }

    /// Remembers the lock of a knlist.
    pub fn set_lock(&self, knl: usize, lock: usize) {
        self.locks.lock().insert(knl, lock);
    }

    /// A knlist is initialised, or destroyed.
    pub fn forget(&self, knl: usize) {
        self.notes.lock().remove(&knl);
        self.locks.lock().remove(&knl);
    }

    /// Changes the number of its knotes.
    pub fn count(&self, knl: usize, change: isize) {
        let mut notes = self.notes.lock();
        let count = notes.entry(knl).or_default();
        *count = count.saturating_add_signed(change);
        if *count == 0 {
            notes.remove(&knl);
        }
    }
}
