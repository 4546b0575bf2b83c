//! Timeouts of poll(2), select(2) and kevent(2).

use crate::machine::sync::{Duration, Instant};

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub enum Timeout {
    /// Not at all.
    None,
    /// Until then.
    At(Instant),
    /// Without limit.
    Never,
}

impl Timeout {
    /// From the argument of a system call: `None` means no limit.
    pub fn after(duration: Option<Duration>) -> Timeout {
        match duration {
            None => Timeout::Never,
            Some(Duration::ZERO) => Timeout::None,
            // A time beyond the range of the clock is never reached.
            Some(duration) => Instant::now()
                .checked_add(duration)
                .map_or(Timeout::Never, Timeout::At),
        }
    }

    /// The deadline of the sleep, which may be none; `None` if the call does not sleep.
    pub fn deadline(self) -> Option<Option<Instant>> {
        match self {
            Timeout::None => None,
            Timeout::At(deadline) => Some(Some(deadline)),
            Timeout::Never => Some(None),
        }
    }
}
