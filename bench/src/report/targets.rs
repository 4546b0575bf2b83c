//! What the driver is meant to reach, and whether it does.

use super::count;
use super::data::Data;
use crate::cases::{DRAIN, GROUPS, OWN, PAIR, Subject};
use crate::counts::{self, Counts};
use anyhow::{Context, Result};

/// A target, with what was found.
struct Target {
    text: &'static str,
    found: String,
    met: bool,
}

impl Target {
    /// One that is met where `value` is at most `limit`.
    fn at_most(text: &'static str, value: f64, limit: f64) -> Self {
        Self { text, found: format!("{value:.2}"), met: value <= limit }
    }
}

/// The table of targets.
pub fn section(data: &Data, counts: &Counts) -> Result<String> {
    let mut text = String::from(
        "## Targets\n\nRatios are of times as measured, kldhost's own cost included.\n\n| target | found | |\n| --- | --- | --- |\n",
    );
    for Target { text: target, found, met } in targets(data, counts)? {
        text += &format!("| {target} | {found} | {} |\n", if met { "met" } else { "**not met**" });
    }
    Ok(text)
}

fn targets(data: &Data, counts: &Counts) -> Result<Vec<Target>> {
    let ours = |group, value| data.get(group, Subject::Echodev, value);
    let drained = data.ratio(&DRAIN, 64 << 10).recip();
    let whole = [64 << 10, 1 << 20].map(|size| ours(&PAIR, size) / data.get(&PAIR, Subject::Memcpy, size));
    let fed = counts.waking.iter().zip(counts::READERS).find(|(_, readers)| *readers == 64);
    let (fed, _) = fed.context("64 readers were not counted")?;
    let needless = counts.operations.iter().fold(0.0, |sum, operation| sum + counts::waking(&operation.calls[0]));
    Ok(vec![
        Target::at_most("write and read of 64 bytes: at most 0.8 of the C driver", data.ratio(&PAIR, 64), 0.8),
        slower(data),
        Target {
            text: "one-byte drain of 64 KiB: at least 20 times as fast as the C driver",
            found: format!("{drained:.1}"),
            met: drained >= 20.0,
        },
        Target::at_most(
            "one-byte drain, per byte: at 16 MiB at most 1.25 of that at 64 bytes",
            ours(&DRAIN, 16 << 20) / ours(&DRAIN, 64),
            1.25,
        ),
        Target {
            text: "64 KiB and 1 MiB, whole: at most 1.05 of two memcpys",
            found: format!("{:.2}, {:.2}", whole[0], whole[1]),
            met: whole.iter().all(|&ratio| ratio <= 1.05),
        },
        Target::at_most("64 blocked readers: at most 2 woken per byte", fed.woken[0], 2.0),
        Target {
            text: "no KPI call that has nobody to wake",
            found: format!("{needless} in the operations counted below"),
            met: needless == 0.0,
        },
        Target { text: "code: at most 8 KiB", found: format!("{} bytes", counts.text), met: counts.text <= 8 << 10 },
        Target {
            text: "memory of a device: at most 512 bytes more than its buffer",
            found: format!("{} bytes", counts.memory),
            met: counts.memory <= 512,
        },
    ])
}

/// Cases in which the driver takes longer than the C driver.
fn slower(data: &Data) -> Target {
    let mut slower = Vec::new();
    for group in GROUPS.iter().filter(|group| group.name != OWN.name) {
        for &value in group.values.iter().filter(|&&value| (group.name, value) != (PAIR.name, 64)) {
            let ratio = data.ratio(group, value);
            if ratio > 1.0 {
                slower.push(format!("{} {} {ratio:.2}", group.name, count(value)));
            }
        }
    }
    Target {
        text: "every other case: at most 1.0 of the C driver",
        met: slower.is_empty(),
        found: if slower.is_empty() { "all".into() } else { format!("all but: {}", slower.join("; ")) },
    }
}
