//! Measurements of time.

use super::subject::Result;
use crate::freebsd::time;
use core::fmt;

/// The number of rounds of each measurement, of which the median is used.
const ROUNDS: usize = 3;

/// The time of an operation, in tenths of nanoseconds.
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

/// A running measurement.
pub struct Watch(u64);

impl Watch {
    /// Starts now.
    pub fn start() -> Self {
        Self(time::nanoseconds())
    }

    /// The nanoseconds until now.
    pub fn elapsed(&self) -> u64 {
        time::nanoseconds() - self.0
    }

    /// The time of each of `operations` until now.
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
