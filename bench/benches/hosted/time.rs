//! Clocks. What one thread does is measured in that thread's CPU time, which other programs do not
//! disturb so much.

use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

fn cpu_time(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("Linux has this clock").into()
}

/// CPU time that this thread takes for `body`.
pub fn of_thread(body: impl FnOnce()) -> Duration {
    let start = cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID);
    body();
    cpu_time(ClockId::CLOCK_THREAD_CPUTIME_ID) - start
}

/// CPU time that all threads of this process take while `body` runs.
pub fn of_process(body: impl FnOnce()) -> Duration {
    let start = cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    body();
    cpu_time(ClockId::CLOCK_PROCESS_CPUTIME_ID) - start
}

/// Time that passes.
pub fn of_clock(body: impl FnOnce()) -> Duration {
    let start = Instant::now();
    body();
    start.elapsed()
}
