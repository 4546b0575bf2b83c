//! Interrupting the system calls of one thread.

use super::thread::Thread;
use crate::abi::errno::Errno;
use crate::machine::sync::{Arc, Mutex};

/// Interrupts system calls of one thread, see [`crate::Process::interruptible`]. Clones are the
/// same token.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The thread that runs under the token.
    thread: Option<Arc<Thread>>,
    /// Set when it is used while no thread runs under it.
    early: bool,
}

impl Interrupt {
    /// A token that has not been used.
    pub fn new() -> Interrupt {
        Interrupt::default()
    }

    /// Interrupts the call that runs under this token, as a signal would whose handler does not
    /// restart calls. A sleep with `PCATCH` ends with `EINTR`. If the thread does not sleep now,
    /// its next such sleep ends so.
    pub fn interrupt(&self) {
        let mut state = self.0.lock();
        match &state.thread {
            None => state.early = true,
            Some(td) => {
                let mut wait = td.wait.lock();
                wait.interrupt = !td.interrupt_sleep(&mut wait, Errno::EINTR);
            }
        }
    }

    /// The thread runs under this token until the result is dropped.
    pub(crate) fn bind(&self, td: &Arc<Thread>) -> Bound<'_> {
        let mut state = self.0.lock();
        td.wait.lock().interrupt = std::mem::take(&mut state.early);
        state.thread = Some(td.clone());
        Bound(self)
    }
}

/// A thread runs under the token.
pub(crate) struct Bound<'a>(&'a Interrupt);

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        if let Some(td) = self.0.0.lock().thread.take() {
            td.wait.lock().interrupt = false;
        }
    }
}
