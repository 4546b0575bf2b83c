//! The common part of all locks: which thread holds which lock, and the rules for this.

use std::ffi::{CStr, c_char, c_int};

use super::Kern;
use super::report::Stop;
use super::thread::Thread;
use crate::abi::layout::*;
use crate::machine::pcpu;
use crate::machine::sync::atomic::Ordering::Relaxed;

/// A lock that a thread holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// The address of the lock.
    pub lock: usize,
    /// Exclusively, or shared.
    pub exclusive: bool,
    /// Whether it may be held while sleeping: an sx lock, not a mutex.
    pub sleepable: bool,
    /// How often it was taken again.
    pub recursed: u32,
    /// Where in the module it was taken.
    pub place: usize,
}

/// The mode in which to take a lock.
#[derive(Debug, Clone, Copy)]
pub struct Acquire {
    /// Exclusively, or shared.
    pub exclusive: bool,
    /// Whether to wait for the lock.
    pub may_block: bool,
}

/// The name that a lock was initialised with.
pub fn lock_name(lock: &Lock) -> Option<String> {
    c_string(lock.lock_object.lo_name)
}

/// A module's string; `None` for null.
pub fn c_string(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: strings of a module are terminated, and live as long as the module.
    Some(
        unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    )
}

/// Makes `lock` a lock of the class in `flags`, unlocked.
pub fn init(td: &Thread, lock: &mut Lock, name: *const c_char, flags: u32, unlocked: usize) {
    lock.lock_object.lo_name = name;
    lock.lock_object.lo_flags = (flags | LO_INITIALIZED).into();
    lock.lock_object.lo_data = 0.into();
    lock.lock_object.lo_witness = std::ptr::null_mut();
    lock.word = unlocked.into();
    td.kernel().witness.lock_initialised(lock.addr());
}

/// Destroys `lock`. `free` and `destroyed` are the values of its word before and after.
pub fn destroy(
    td: &Thread,
    call: &str,
    lock: &Lock,
    class: u32,
    free: usize,
    destroyed: usize,
) -> Result<(), Stop> {
    td.check_lock(call, lock, class)?;
    if lock.word.load(Relaxed) != free {
        return Err(td.misuse(call, "destroys a lock that is held", lock_name(lock)));
    }
    lock.word.store(destroyed, Relaxed);
    lock.lock_object.lo_flags.store(0, Relaxed);
    td.kernel().witness.lock_destroyed(lock.addr());
    Ok(())
}

impl Thread {
    /// How this thread holds the lock, if it does.
    pub fn holds(&self, lock: usize) -> Option<Held> {
        self.own()
            .held
            .borrow()
            .iter()
            .rev()
            .find(|held| held.lock == lock)
            .copied()
    }

    /// The lock must be an initialised one of this class.
    pub fn check_lock(&self, call: &str, lock: &Lock, class: u32) -> Result<(), Stop> {
        if lock.is_class(class) {
            return Ok(());
        }
        Err(self.misuse(call, "the lock is not initialised, or destroyed", None))
    }

    /// The lock must not be initialised.
    pub fn check_not_initialised(&self, call: &str, lock: &Lock) -> Result<(), Stop> {
        if !lock.is_initialised() || !self.kernel().witness.is_lock(lock.addr()) {
            return Ok(());
        }
        Err(self.misuse(call, "the lock is already initialised", lock_name(lock)))
    }

    /// To be called before a lock is taken: it must be initialised and not held, and its order must
    /// be right.
    ///
    /// True if the thread holds it exclusively and may recurse.
    pub fn check_acquire(
        &self,
        call: &str,
        lock: &Lock,
        class: u32,
        how: Acquire,
    ) -> Result<bool, Stop> {
        self.check_lock(call, lock, class)?;
        if how.may_block && class == LO_CLASS_SX {
            self.check_may_sleep(call, 0)?;
        }
        if self.own().held.borrow().is_empty() {
            return Ok(false);
        }
        match self.holds(lock.addr()) {
            None => {
                if how.may_block {
                    self.check_order(call, lock)?;
                }
                Ok(false)
            }
            Some(held) if held.exclusive && how.exclusive && lock.is_recursable() => Ok(true),
            Some(held) if !held.exclusive && !how.exclusive => Ok(false),
            Some(held) => {
                let how = if held.exclusive {
                    "exclusively"
                } else {
                    "shared"
                };
                let message = format!(
                    "the lock is already held {how} by this thread, since {}",
                    self.kernel().place(held.place)
                );
                Err(self.misuse(call, message, lock_name(lock)))
            }
        }
    }

    /// Notes that the lock was taken.
    pub fn acquired(&self, lock: &Lock, exclusive: bool) {
        self.own().held.borrow_mut().push(Held {
            lock: lock.addr(),
            exclusive,
            sleepable: lock.is_class(LO_CLASS_SX),
            recursed: 0,
            place: pcpu::caller(),
        });
    }

    /// The lock must be held in this mode.
    pub fn check_release(
        &self,
        call: &str,
        lock: &Lock,
        class: u32,
        exclusive: bool,
    ) -> Result<(), Stop> {
        let message = match self.holds(lock.addr()) {
            Some(held) if held.exclusive == exclusive => return Ok(()),
            Some(held) if held.exclusive => "the lock is held exclusively, not shared",
            Some(_) => "the lock is held shared, not exclusively",
            None => {
                self.check_lock(call, lock, class)?;
                "the lock is not held by this thread"
            }
        };
        Err(self.misuse(call, message, lock_name(lock)))
    }

    /// Notes that the lock was released.
    pub fn released(&self, lock: &Lock) {
        let mut held = self.own().held.borrow_mut();
        if let Some(at) = held.iter().rposition(|held| held.lock == lock.addr()) {
            held.remove(at);
        }
    }

    /// Counts one more or one less level of recursion of an exclusively held lock; the levels that
    /// there are now.
    pub fn recurse(&self, lock: &Lock, change: i32) -> u32 {
        let mut held = self.own().held.borrow_mut();
        let entry = held.iter_mut().rfind(|held| held.lock == lock.addr());
        entry.map_or(0, |entry| {
            entry.recursed = entry.recursed.saturating_add_signed(change);
            entry.recursed
        })
    }

    /// The assertions of sx_assert(9) and mtx_assert(9).
    pub fn assert_lock(
        &self,
        call: &str,
        lock: &Lock,
        class: u32,
        what: c_int,
    ) -> Result<(), Stop> {
        self.check_lock(call, lock, class)?;
        let held = self.holds(lock.addr());
        let wrong = match (what & !(LA_RECURSED | LA_NOTRECURSED), held) {
            (LA_UNLOCKED, Some(_)) => "the lock is held by this thread",
            (LA_LOCKED | LA_SLOCKED | LA_XLOCKED, None) => "the lock is not held by this thread",
            (LA_SLOCKED, Some(held)) if held.exclusive => {
                "the lock is held exclusively, not shared"
            }
            (LA_XLOCKED, Some(held)) if !held.exclusive => {
                "the lock is held shared, not exclusively"
            }
            (_, Some(held)) if what & LA_RECURSED != 0 && held.recursed == 0 => {
                "the lock is not recursed"
            }
            (_, Some(held)) if what & LA_NOTRECURSED != 0 && held.recursed != 0 => {
                "the lock is recursed"
            }
            _ => return Ok(()),
        };
        Err(self.misuse(call, wrong, lock_name(lock)))
    }

    /// A function that sleeps, or may, must not be called with a mutex held, except the one that it
    /// releases. It must not be called from a filter's f_event under a kqueue's lock.
    pub fn check_may_sleep(&self, call: &str, interlock: usize) -> Result<(), Stop> {
        if self.own().kq_locked.get() {
            return Err(self.misuse(
                call,
                "may sleep, in f_event called by knote(9), under the kqueue's lock",
                None,
            ));
        }
        let held = self
            .own()
            .held
            .borrow()
            .iter()
            .find(|h| !h.sleepable && h.lock != interlock)
            .copied();
        match held {
            None => Ok(()),
            Some(held) => {
                let message = format!(
                    "may sleep with a mutex held, taken at {}",
                    self.kernel().place(held.place)
                );
                Err(self.misuse(call, message, self.kernel().name_of_lock(held.lock)))
            }
        }
    }

    /// No lock may be held when `what` returns to the kernel, except those that were held before it
    /// was called.
    pub fn check_no_locks(&self, what: &str, before: usize) -> Result<(), Stop> {
        let held = self.own().held.borrow().get(before).copied();
        match held {
            None => Ok(()),
            Some(held) => {
                let kernel = self.kernel();
                let message = format!(
                    "returned with a lock held, taken at {}",
                    kernel.place(held.place)
                );
                Err(self.misuse_at(held.place, what, message, kernel.name_of_lock(held.lock)))
            }
        }
    }
}

impl Kern {
    /// The name of an initialised lock.
    pub fn name_of_lock(&self, lock: usize) -> Option<String> {
        // SAFETY: a lock is only named while a thread holds it, so it exists.
        self.witness
            .is_lock(lock)
            .then(|| lock_name(unsafe { &*(lock as *const Lock) }))
            .flatten()
    }
}
