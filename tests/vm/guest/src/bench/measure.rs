//! Taking times.

use super::subject::Result;
use crate::freebsd::time;
use core::fmt;

/// How often everything is measured; the middle one counts.
const ROUNDS: usize = 3;

/// Tenths of nanoseconds that an operation takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PerOperation(u64);

impl PerOperation {
    /// For another process.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }

    /// From another process.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_ne_bytes(bytes))
    }
}

impl fmt::Display for PerOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// Since when `operations` have been made.
pub struct Watch(u64);

impl Watch {
    /// From now on.
    pub fn start() -> Self {
        Self(time::nanoseconds())
    }

    /// Nanoseconds until now.
    pub fn elapsed(&self) -> u64 {
        time::nanoseconds() - self.0
    }

    /// What each of so many operations has taken until now.
    pub fn stop(self, operations: usize) -> PerOperation {
        PerOperation(self.elapsed() * 10 / operations as u64)
    }
}

/// The median of some rounds.
pub fn median(mut round: impl FnMut() -> Result<PerOperation>) -> Result<PerOperation> {
    let mut times = [PerOperation::default(); ROUNDS];
    for time in &mut times {
        *time = round()?;
    }
    times.sort_unstable();
    Ok(times[ROUNDS / 2])
}
