//! The place and time of the measurements.

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
        .context("the clock is before 1970")?
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

kldhost hosts two module files for FreeBSD 15 in one process. They are `echodev.ko` and a plain C
driver with the same semantics, `bench/baseline.c`. The C driver has a flat buffer that each read
moves down. It calls wakeup(9), selwakeup(9) and KNOTE at every change. The times are those of
kldhost, a debug kernel in user space, and not those of FreeBSD. The ratios are more general.

criterion has measured everything in {rounds} rounds, the drivers in turn. Each time is the lowest
of the medians of the rounds, because other programs on the machine can only add time. The work of
a single thread is measured in CPU time.
",
        kernel.trim(),
        rustc.trim()
    ))
}
