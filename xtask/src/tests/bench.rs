//! `make bench`: measures the hosted driver against the plain C driver and memcpy, and writes the
//! report. On FreeBSD, it measures the driver in the kernel.

use crate::command;
use crate::module::kmod;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::vm;
use anyhow::{Context, Result};
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;

/// Rounds of all measurements. Other programs disturb some of them, so the report uses the best of
/// each measurement.
const ROUNDS: u32 = 8;

/// Builds all, measures for about `seconds`, and writes the report. On FreeBSD, it ignores
/// `seconds` and prints a table.
pub fn bench(root: &Path, seconds: NonZeroU32) -> Result<()> {
    if ON_FREEBSD {
        return vm::bench::here(root);
    }
    kmod::kmod(root, Freebsd::V15)?;
    kmod::testmods(root, Freebsd::V15)?;
    let measured = root.join("target/criterion");
    if measured.exists() {
        fs::remove_dir_all(&measured)
            .with_context(|| format!("cannot remove {}", measured.display()))?;
    }
    for round in 1..=ROUNDS {
        println!("round {round} of {ROUNDS}");
        let name = format!("round{round}");
        command::run(
            command::cargo(root)
                .args([
                    "bench",
                    "--quiet",
                    "--locked",
                    "--package",
                    "bench",
                    "--bench",
                    "hosted",
                    "--",
                ])
                .args(["--save-baseline", &name])
                .env("CRITERION_HOME", &measured)
                .env(
                    "ECHODEV_BENCH_SECONDS",
                    (f64::from(seconds.get()) / f64::from(ROUNDS)).to_string(),
                )
                // The hosted kernel keeps its memory, as a kernel does. Otherwise page faults would
                // dominate the cost of a large buffer.
                .env("MALLOC_TRIM_THRESHOLD_", MUCH)
                .env("MALLOC_MMAP_THRESHOLD_", MUCH),
        )?;
    }
    command::run(
        command::cargo(root)
            .args([
                "run",
                "--quiet",
                "--locked",
                "--release",
                "--package",
                "bench",
                "--",
            ])
            .arg(&measured),
    )?;
    println!("wrote docs/benchmarks.md");
    Ok(())
}

/// More bytes than the benchmarks use.
const MUCH: &str = "1073741824";
