//! The order in which locks are taken, as witness(4) watches it: by lock, not by name.

use std::collections::{HashMap, HashSet};

use super::lock::lock_name;
use super::report::Stop;
use super::thread::Thread;
use crate::abi::layout::Lock;
use crate::machine::pcpu;
use crate::machine::sync::Mutex;
use crate::machine::sync::atomic::AtomicUsize;
use crate::machine::sync::atomic::Ordering::SeqCst;

/// All initialised locks, and the orders seen among them.
#[derive(Default)]
pub struct Witness {
    state: Mutex<State>,
    /// Changes when an order is removed. Orders that threads have cached are then invalid.
    generation: AtomicUsize,
}

#[derive(Default)]
struct State {
    locks: HashSet<usize>,
    /// The locks that were taken while the key was held, with the places.
    after: HashMap<usize, HashMap<usize, usize>>,
}

impl State {
    /// The place of the first step on a way from `from` to `to` in the order, if there is one.
    fn path(&self, from: usize, to: usize) -> Option<usize> {
        let mut seen = HashSet::new();
        let mut open: Vec<(usize, Option<usize>)> = vec![(from, None)];
        while let Some((lock, place)) = open.pop() {
            for (&next, &step) in self.after.get(&lock).into_iter().flatten() {
                let place = place.unwrap_or(step);
                if next == to {
                    return Some(place);
                }
                if seen.insert(next) {
                    open.push((next, Some(place)));
                }
            }
        }
        None
    }

    fn forget(&mut self, gone: impl Fn(usize) -> bool) -> bool {
        let before = self.after.len();
        self.after.retain(|&lock, _| !gone(lock));
        let mut changed = self.after.len() != before;
        for after in self.after.values_mut() {
            let before = after.len();
            after.retain(|&lock, _| !gone(lock));
            changed |= after.len() != before;
        }
        changed
    }
}

impl Witness {
    /// A lock now exists at this address.
    pub fn lock_initialised(&self, lock: usize) {
        self.state.lock().locks.insert(lock);
    }

    /// The lock at this address was destroyed.
    pub fn lock_destroyed(&self, lock: usize) {
        self.memory_gone(|addr| addr == lock);
    }

    /// The memory of locks at these addresses is no longer in use, whether they were destroyed or
    /// not.
    pub fn memory_gone(&self, gone: impl Fn(usize) -> bool) {
        let mut state = self.state.lock();
        state.locks.retain(|&lock| !gone(lock));
        if state.forget(gone) {
            self.generation.fetch_add(1, SeqCst);
        }
    }

    /// Whether there is an initialised lock at this address.
    pub fn is_lock(&self, addr: usize) -> bool {
        self.state.lock().locks.contains(&addr)
    }
}

impl Thread {
    /// Taking `lock` with those held that this thread holds must not be the reverse of an order
    /// seen before.
    pub fn check_order(&self, call: &str, lock: &Lock) -> Result<(), Stop> {
        let kernel = self.kernel();
        let own = self.own();
        let generation = kernel.witness.generation.load(SeqCst);
        if own.ordered_generation.replace(generation) != generation {
            own.ordered.borrow_mut().clear();
        }
        for held in own.held.borrow().iter() {
            let pair = (held.lock, lock.addr());
            if own.ordered.borrow().contains(&pair) {
                continue;
            }
            let mut state = kernel.witness.state.lock();
            if let Some(place) = state.path(lock.addr(), held.lock) {
                drop(state);
                let other = kernel.name_of_lock(held.lock).unwrap_or_default();
                let message = format!(
                    "lock order reversal: \"{other}\" is held, but was earlier taken after this lock, at {}",
                    kernel.place(place)
                );
                return Err(self.misuse(call, message, lock_name(lock)));
            }
            state
                .after
                .entry(held.lock)
                .or_default()
                .entry(lock.addr())
                .or_insert(pcpu::caller());
            own.ordered.borrow_mut().push(pair);
        }
        Ok(())
    }
}
