//! Clocks and sched_yield(2).

use super::raw::syscall;

const SYS_CLOCK_GETTIME: usize = 232;
const SYS_SCHED_YIELD: usize = 331;
const CLOCK_MONOTONIC: usize = 4;

/// `struct timespec`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

impl Timespec {
    /// A span of time.
    pub fn from_milliseconds(ms: u32) -> Self {
        Self {
            seconds: i64::from(ms / 1000),
            nanoseconds: i64::from(ms % 1000) * 1_000_000,
        }
    }
}

/// Milliseconds since a fixed moment in the past.
pub fn now() -> u64 {
    nanoseconds() / 1_000_000
}

/// Nanoseconds since the same moment.
pub fn nanoseconds() -> u64 {
    let mut time = Timespec::default();
    // SAFETY: writes to `time`. With these arguments it does not fail.
    let _ = unsafe { syscall(SYS_CLOCK_GETTIME, [CLOCK_MONOTONIC, &raw mut time as usize]) };
    time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64
}

/// sched_yield(2)
pub fn give_way() {
    // SAFETY: does not touch memory. It does not fail.
    let _ = unsafe { syscall(SYS_SCHED_YIELD, []) };
}
