//! `docs/benchmarks.md` and its plots, made from the data of the benchmarks.

mod data;
mod machine;
mod plots;
mod tables;
mod targets;

use crate::counts;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Writes the report to `docs` from the data of criterion in `measured`.
///
/// # Errors
///
/// Data is missing, a file cannot be written, or [`counts::count`] fails.
pub fn make(measured: &Path, docs: &Path) -> Result<()> {
    let data = data::Data::read(measured)?;
    let counts = counts::count()?;
    fs::create_dir_all(docs).with_context(|| format!("cannot create {}", docs.display()))?;
    plots::draw(&data, docs)?;
    let text = [
        machine::introduction(data.rounds)?,
        targets::section(&data, &counts)?,
        plots::section(),
        tables::times(&data)?,
        tables::counts(&counts),
    ]
    .join("\n");
    let file = docs.join("benchmarks.md");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A time of `ns` nanoseconds, with three digits.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns => (ns / 1e6, "ms"),
    };
    let digits = if value < 10.0 {
        2
    } else {
        usize::from(value < 100.0)
    };
    format!("{value:.digits$} {unit}")
}

/// A number of bytes, or of other things.
fn count(n: u64) -> String {
    match n {
        n if n >= 1 << 20 && n % (1 << 20) == 0 => format!("{} Mi", n >> 20),
        n if n >= 1 << 10 && n % (1 << 10) == 0 => format!("{} Ki", n >> 10),
        n => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, time};

    #[test]
    fn times_have_three_digits() {
        let times = [3.6041, 35.25, 842.4, 12_392.0, 765_180.0, 9_993_500.0].map(time);
        assert_eq!(
            times,
            [
                "3.60 ns", "35.2 ns", "842 ns", "12.4 µs", "765 µs", "9.99 ms"
            ]
        );
    }

    #[test]
    fn counts_are_binary_where_they_are_round() {
        assert_eq!(
            [64, 1024, 10_000, 65_536, 16 << 20].map(count),
            ["64", "1 Ki", "10000", "64 Ki", "16 Mi"]
        );
    }
}
