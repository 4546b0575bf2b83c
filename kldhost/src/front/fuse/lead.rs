//! Threads that serve requests. One of them, the leader, waits for the next request. When it has
//! one, it passes the lead to another thread and serves the request itself. The module may sleep in
//! it for any time. So requests are taken in the order of arrival, none waits for the end of
//! another, and no data changes threads.

use crate::machine::sync::{Condvar, Mutex};

/// Threads that wait for the lead, at most; more of them end.
const SPARE: usize = 4;

/// The lead.
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
    /// Waits for the lead. Returns false if the thread is no longer needed.
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

    /// Passes the lead to another thread. Returns true if there is none, and the caller has to
    /// start one.
    #[must_use]
    pub fn give(&self) -> bool {
        let mut state = self.state.lock();
        state.taken = false;
        self.changed.notify_one();
        state.waiting == 0
    }

    /// There are no more requests: all waiting threads return.
    pub fn end(&self) {
        self.state.lock().over = true;
        self.changed.notify_all();
    }
}
