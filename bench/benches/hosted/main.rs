//! The benchmarks of both drivers, hosted in this process, and of memcpy. `make bench` runs them in
//! several rounds.

mod moves;
mod threads;
mod time;
mod waiting;

use bench::cases::{Group, Subject, count};
use bench::host::Host;
use criterion::measurement::WallTime;
use criterion::{BenchmarkId, Criterion};
use std::time::Duration;

/// The variable for the approximate duration of a round of all measurements, in seconds.
const SECONDS: &str = "ECHODEV_BENCH_SECONDS";

/// Adds a measurement of `subject`, of `group` with `value`. `once` repeats the operation as often
/// as its argument, and returns the time that it took.
fn measure(
    c: &mut Criterion,
    group: &Group,
    subject: Subject,
    value: u64,
    mut once: impl FnMut(u64) -> Duration,
) {
    let mut measured: criterion::BenchmarkGroup<'_, WallTime> = c.benchmark_group(group.name);
    measured.bench_function(BenchmarkId::new(subject.name(), value), |b| {
        b.iter_custom(&mut once)
    });
    measured.finish();
}

fn main() {
    let seconds = std::env::var(SECONDS)
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(30.0);
    let each = Duration::from_secs_f64(seconds / count() as f64);
    let mut c = Criterion::default()
        .sample_size(10)
        .nresamples(1000)
        .warm_up_time(each.mul_f64(0.2))
        .measurement_time(each.mul_f64(0.8))
        .without_plots()
        .configure_from_args();
    let host = Host::boot(None).expect("the drivers are built and load");
    moves::add(&mut c, &host);
    threads::add(&mut c, &host);
    waiting::add(&mut c, &host);
    assert!(
        host.kernel.panic_report().is_none(),
        "the hosted kernel has panicked: {:?}",
        host.kernel.panic_report()
    );
    c.final_summary();
}
