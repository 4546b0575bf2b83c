//! Threads that serve requests. One of them, the leader, waits for the next request. Having got it,
//! the thread gives the lead to another and serves the request itself, however long the module
//! sleeps in it. So requests are taken in the order in which they came, none waits for another
//! one's end, and no data changes threads.

use crate::machine::sync::{Condvar, Mutex};

/// Threads that wait for the lead, at most; more of them end.
const SPARE: usize = 4;

/// Who leads.
#[derive(Default)]
pub struct Lead {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    taken: bool,
    waiting: usize,
    over: bool,
}

impl Lead {
    /// Waits for the lead. False if the thread is not needed any more.
    pub fn take(&self) -> bool {
        let mut state = self.state.lock();
        if state.waiting == SPARE {
            return false;
        }
        state.waiting += 1;
        while state.taken && !state.over {
            self.changed.wait(&mut state);
        }
        state.waiting -= 1;
        state.taken = true;
        !state.over
    }

    /// Gives the lead to another thread. True if there is none, and the caller has to start one.
    #[must_use]
    pub fn give(&self) -> bool {
        let mut state = self.state.lock();
        state.taken = false;
        self.changed.notify_one();
        state.waiting == 0
    }

    /// There is nothing to lead any more: all who wait are sent home.
    pub fn end(&self) {
        self.state.lock().over = true;
        self.changed.notify_all();
    }
}
