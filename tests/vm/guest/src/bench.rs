//! The speed of the device. The module under test, a plain C driver (`bench/baseline.c`) and
//! pipe(2) do the same work, one after another on one kernel. The results are TAP. Their names end
//! in the subject and the time per operation, as in `ok 1 - pair of 1 byte, pipe: 1883.0 ns`.
//!
//! On a machine whose clock counts instructions, a nanosecond is an instruction.

mod alone;
mod measure;
mod subject;
mod together;

use crate::freebsd::kernel;
use crate::tap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use measure::PerOperation;
use subject::{Result, Subject};
use suite::run::Verdict;

/// A measurement.
struct Bench {
    name: String,
    /// Whether it makes sense for this subject.
    fits: fn(&Subject, usize) -> bool,
    /// Capacity of the buffer.
    size: usize,
    run: fn(&Subject, usize) -> Result<PerOperation>,
}

/// Sizes in the names of [`benches`].
const KI: usize = 1 << 10;
const MI: usize = 1 << 20;

/// The most that a pipe holds.
const PIPE_MAX: usize = 64 * KI;

fn benches() -> Vec<Bench> {
    let any = |_: &Subject, _: usize| true;
    let device = |subject: &Subject, _: usize| subject.device().is_some();
    // A driver that moves the rest of the buffer takes minutes to drain 16 MiB by bytes.
    let fitting = |subject: &Subject, size: usize| match subject {
        Subject::Pipe => size <= PIPE_MAX,
        Subject::Baseline => size <= MI,
        Subject::Echodev => true,
    };
    let bench = |name: String, size, fits, run| Bench {
        name,
        fits,
        size,
        run,
    };
    let mut all = Vec::new();
    for (name, size) in [
        ("1 byte", 1),
        ("64 bytes", 64),
        ("4 KiB", 4 * KI),
        ("64 KiB", 64 * KI),
    ] {
        all.push(bench(
            format!("write and read of {name}"),
            size,
            any,
            alone::pair,
        ));
    }
    for (name, size) in [
        ("64 bytes", 64),
        ("4 KiB", 4 * KI),
        ("64 KiB", 64 * KI),
        ("1 MiB", MI),
        ("16 MiB", 16 * MI),
    ] {
        all.push(bench(
            format!("one-byte drain of {name}"),
            size,
            fitting,
            alone::drain,
        ));
    }
    all.push(bench(
        "one-byte fill of 4 KiB".into(),
        4 * KI,
        any,
        alone::fill,
    ));
    all.push(bench(
        "poll of a ready descriptor".into(),
        64,
        any,
        alone::poll,
    ));
    all.push(bench(
        "kevent of a ready descriptor".into(),
        64,
        any,
        alone::kevent,
    ));
    all.push(bench(
        "write, kevent and read of 1 byte".into(),
        64,
        any,
        alone::kqueue_loop,
    ));
    all.push(bench(
        "open and close".into(),
        64,
        device,
        alone::open_close,
    ));
    all.push(bench(
        "stream of 8 MiB by 64 KiB".into(),
        64 * KI,
        any,
        together::stream,
    ));
    all.push(bench(
        "one-byte ping-pong".into(),
        64,
        any,
        together::ping_pong,
    ));
    all.push(bench(
        "one byte to 16 blocked readers".into(),
        64,
        any,
        together::readers,
    ));
    all
}

/// Measures everything, and returns whether all went well. If `echodev.cases` is set in the kernel
/// environment, only names that contain it are measured.
pub fn run_all() -> bool {
    let part = kernel::kenv(c"echodev.cases").unwrap_or_default();
    let subjects = [Subject::Echodev, Subject::Baseline, Subject::Pipe];
    let benches = benches();
    let mut chosen = Vec::new();
    for subject in &subjects {
        let fitting =
            |bench: &&Bench| bench.name.contains(&part) && (bench.fits)(subject, bench.size);
        chosen.push((subject, benches.iter().filter(fitting).collect::<Vec<_>>()));
    }
    tap::plan(chosen.iter().map(|(_, benches)| benches.len()).sum());
    let mut number = 0;
    let mut well = true;
    for (subject, benches) in chosen {
        // If it cannot be loaded, every measurement fails with that.
        let loaded = subject.load();
        for bench in benches {
            number += 1;
            let measured = loaded
                .as_ref()
                .map_err(|error| *error)
                .and_then(|_| (bench.run)(subject, bench.size));
            well &= measured.is_ok();
            match measured {
                Ok(time) => tap::result(
                    number,
                    format_args!("{}, {subject}: {time} ns", bench.name),
                    &Verdict::Passed,
                ),
                Err(error) => tap::result(
                    number,
                    format_args!("{}, {subject}", bench.name),
                    &Verdict::Failed(format!("{error}")),
                ),
            }
        }
        if let Ok(Some(id)) = loaded
            && let Err(error) = kernel::kldunload(id)
        {
            tap::bail_out(format_args!("kldunload of {subject}: {error}"));
            return false;
        }
    }
    well
}
