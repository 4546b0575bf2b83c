//! Time, which passes only while nothing can run: see [`super::quiesce`].

use std::ops::{Add, Sub};
use std::time::Duration;

use super::execution;

/// A moment, as in the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(Duration);

impl Instant {
    /// When an execution begins.
    pub(super) const BOOT: Instant = Instant(Duration::ZERO);

    /// The present.
    pub fn now() -> Instant {
        execution::now()
    }

    /// How long ago it was.
    pub fn elapsed(&self) -> Duration {
        Instant::now() - *self
    }

    /// The moment `duration` later; `None` if it cannot be represented.
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.0.checked_add(duration).map(Instant)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
