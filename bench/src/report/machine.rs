//! Where and when it was measured.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::time::SystemTime;

/// The head of the report.
pub fn introduction(rounds: usize) -> Result<String> {
    let seconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let date = chrono::DateTime::from_timestamp(seconds as i64, 0)
        .context("the clock is far off")?
        .date_naive();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("cannot read /proc/cpuinfo")?;
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed CPU", |(_, name)| name);
    let cpus = std::thread::available_parallelism()?;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's release")?;
    let rustc = Command::new("rustc")
        .arg("--version")
        .output()
        .context("cannot run rustc")?;
    let rustc = String::from_utf8_lossy(&rustc.stdout);
    Ok(format!(
        "\
# Benchmarks

Made by `make bench` on {date}: {model}, {cpus} CPUs, Linux {}, {}.

The module files that FreeBSD 15 loads, `echodev.ko` and a plain C driver with the same semantics (`bench/baseline.c`: a flat
buffer that is moved down by each read, wakeup(9), selwakeup(9) and KNOTE at every change), are hosted by kldhost in one
process. Ratios are what counts; the times are those of kldhost, a debug kernel in user space, and not of FreeBSD.

Everything was measured in {rounds} rounds, by criterion, the drivers in turn; each time is the lowest of the rounds' medians,
since other programs on the machine only ever add. What one thread does is measured in its CPU time.
",
        kernel.trim(),
        rustc.trim()
    ))
}
