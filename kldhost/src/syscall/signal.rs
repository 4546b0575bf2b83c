//! Signals, as processes use them.

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::signal::{SigAction, Signal};

impl Process {
    /// kill(2) of this process. If a thread sleeps with `PCATCH`, it is woken. Otherwise a thread
    /// that is in a system call takes the signal at its next such sleep, or when it returns.
    /// Without such a thread, the signal is taken at once. Stop signals are ignored. If the process
    /// dumps core, its kqueues are reported, on releases that do so.
    pub fn kill(&self, signal: Signal) {
        self.proc().kill(&self.kernel().kern, signal);
    }

    /// sigaction(2).
    ///
    /// # Errors
    ///
    /// EINVAL: no such signal, or SIGKILL.
    pub fn sigaction(&self, signal: Signal, action: SigAction) -> Result<(), Errno> {
        self.proc().signals.sigaction(signal, action)
    }

    /// How often the handler of `signal` has run.
    pub fn handled(&self, signal: Signal) -> usize {
        self.proc().signals.handled(signal)
    }
}
