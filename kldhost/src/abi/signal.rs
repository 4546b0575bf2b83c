//! Signals (`<sys/signal.h>`), and their effects on a process.

/// A signal, by FreeBSD's number (`<sys/signal.h>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(pub i32);

impl Signal {
    /// The terminal was closed.
    pub const HUP: Signal = Signal(1);
    /// Interrupt from the keyboard.
    pub const INT: Signal = Signal(2);
    /// Quit from the keyboard: ends the process with a core dump.
    pub const QUIT: Signal = Signal(3);
    /// abort(3): ends the process with a core dump.
    pub const ABRT: Signal = Signal(6);
    /// Ends the process, always.
    pub const KILL: Signal = Signal(9);
    /// Write to a pipe without readers.
    pub const PIPE: Signal = Signal(13);
    /// A timer has expired.
    pub const ALRM: Signal = Signal(14);
    /// Termination request.
    pub const TERM: Signal = Signal(15);
    /// A child has changed; ignored by default.
    pub const CHLD: Signal = Signal(20);
    /// I/O is possible; ignored by default.
    pub const IO: Signal = Signal(23);
    /// For the process's own use.
    pub const USR1: Signal = Signal(30);
    /// For the process's own use.
    pub const USR2: Signal = Signal(31);

    /// Whether a process that it ends dumps core, `SIGPROP_CORE`.
    pub(crate) fn dumps_core(self) -> bool {
        matches!(self.0, 3..=8 | 10..=12)
    }
}

/// The action of a process on a signal, sigaction(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigAction {
    /// `SIG_DFL`: most signals end the process.
    Default,
    /// `SIG_IGN`.
    Ignore,
    /// A handler, which does nothing but be counted ([`Process::handled`](crate::Process::handled)).
    Handler {
        /// `SA_RESTART`: interrupted calls are restarted, where they can be.
        restart: bool,
    },
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By exit(2), or by dropping the last [`Process`](crate::Process).
    Exited,
    /// By a signal.
    Signaled(Signal),
}
