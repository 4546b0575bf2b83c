//! Clocks. The work of one thread is measured in CPU time of that thread, which other programs
//! disturb less.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("Linux has this clock").into()
}

/// The CPU time that this thread takes for `body`.
pub fn of_thread(body: impl FnOnce()) -> Duration {
    let start = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID);
    body();
    cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID) - start
}

/// The CPU time of all threads of this process while `body` runs.
pub fn of_process(body: impl FnOnce()) -> Duration {
    let start = cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    body();
    cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID) - start
}

/// The elapsed time of `body`.
pub fn of_clock(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}
