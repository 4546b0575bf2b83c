//! The targets of the driver, and whether it meets them.

use super::data::Data;
use super::{count, time};
use crate::cases::{DRAIN, GROUPS, OWN, PAIR, Subject};
use crate::counts::{self, Counts};
use anyhow::{Context, Result};

/// A target and the result.
struct Target {
    text: &'static str,
    found: String,
    met: bool,
    /// The reason, if it is not met.
    why: Option<String>,
}

impl Target {
    /// A target that is met if `value` is at most `limit`.
    fn at_most(text: &'static str, value: f64, limit: f64) -> Self {
        Self::new(text, format!("{value:.2}"), value <= limit)
    }

    fn new(text: &'static str, found: String, met: bool) -> Self {
        Self {
            text,
            found,
            met,
            why: None,
        }
    }

    /// Adds the reason that is given if it is not met.
    fn because(self, why: impl FnOnce() -> String) -> Self {
        let why = (!self.met).then(why);
        Self { why, ..self }
    }
}

/// The table of targets.
pub fn section(data: &Data, counts: &Counts) -> Result<String> {
    let mut text = String::from(
        "## Targets\n\nThe times of the ratios include kldhost's own cost. A driver counts as \
         slower if the ratio exceeds 1 by more than the difference of the two best rounds of either \
         driver.\n\n| target | found | |\n| --- | --- | --- |\n",
    );
    let targets = targets(data, counts)?;
    for Target {
        text: target,
        found,
        met,
        ..
    } in &targets
    {
        text += &format!(
            "| {target} | {found} | {} |\n",
            if *met { "met" } else { "**not met**" }
        );
    }
    let reasons: Vec<_> = targets
        .iter()
        .filter_map(|target| Some((target.text, target.why.as_ref()?)))
        .collect();
    if !reasons.is_empty() {
        text += "\nReasons for the targets that are not met:\n\n";
    }
    for (target, why) in reasons {
        let name = target.split(':').next().unwrap_or(target);
        text += &format!("- {name}: {why}\n");
    }
    Ok(text)
}

fn targets(data: &Data, counts: &Counts) -> Result<Vec<Target>> {
    let ours = |group, value| data.get(group, Subject::Echodev, value);
    let drained = data.ratio(&DRAIN, 64 << 10).recip();
    let whole =
        [64 << 10, 1 << 20].map(|size| ours(&PAIR, size) / data.get(&PAIR, Subject::Memcpy, size));
    let fed = counts
        .waking
        .iter()
        .zip(counts::READERS)
        .find(|(_, readers)| *readers == 64);
    let (fed, _) = fed.context("64 readers were not counted")?;
    let needless = counts.operations.iter().fold(0.0, |sum, operation| {
        sum + counts::waking(&operation.calls[0])
    });
    Ok(vec![
        Target::at_most(
            "write and read of 64 bytes: at most 0.8 of the C driver",
            data.ratio(&PAIR, 64),
            0.8,
        )
        .because(|| pair_reason(data)),
        slower(data),
        Target::new(
            "one-byte drain of 64 KiB: at least 20 times as fast as the C driver",
            format!("{drained:.1}"),
            drained >= 20.0,
        )
        .because(|| drain_reason(data)),
        Target::at_most(
            "one-byte drain, per byte: at 16 MiB at most 1.25 of that at 64 bytes",
            ours(&DRAIN, 16 << 20) / ours(&DRAIN, 64),
            1.25,
        ),
        Target::new(
            "64 KiB and 1 MiB, whole: at most 1.05 of two memcpys",
            format!("{:.2}, {:.2}", whole[0], whole[1]),
            whole.iter().all(|&ratio| ratio <= 1.05),
        ),
        Target::at_most(
            "64 blocked readers: at most 2 woken per byte",
            fed.woken[0],
            2.0,
        ),
        Target::new(
            "no KPI call that wakes no thread",
            format!("{needless} in the operations counted below"),
            needless == 0.0,
        ),
        Target::new(
            "code: at most 8 KiB",
            format!("{} bytes", counts.text),
            counts.text <= 8 << 10,
        ),
        Target::new(
            "memory of a device: at most 512 bytes more than its buffer",
            format!("{} bytes", counts.memory),
            counts.memory <= 512,
        ),
    ])
}

fn pair_reason(data: &Data) -> String {
    let [ours, theirs] =
        [Subject::Echodev, Subject::Baseline].map(|subject| data.get(&PAIR, subject, 64));
    let own = data.own() * f64::from(PAIR.calls);
    format!(
        "of {}, {} are kldhost's two system calls, which the C driver also pays; without them, the \
         ratio is {:.2}. Fewer KPI calls are not possible. Each call locks, moves and unlocks.",
        time(ours),
        time(own),
        (ours - own) / (theirs - own)
    )
}

fn drain_reason(data: &Data) -> String {
    let theirs = data.get(&DRAIN, Subject::Baseline, 64 << 10);
    format!(
        "the C driver takes {} for a byte, including 32 KiB of memmove on average; a twentieth of \
         that is {}; a system call of kldhost alone takes {}.",
        time(theirs),
        time(theirs / 20.0),
        time(data.own())
    )
}

/// Cases in which the driver takes longer than the C driver by more than the noise.
fn slower(data: &Data) -> Target {
    let (mut slower, mut even) = (Vec::new(), Vec::new());
    for group in GROUPS.iter().filter(|group| group.name != OWN.name) {
        for &value in group
            .values
            .iter()
            .filter(|&&value| (group.name, value) != (PAIR.name, 64))
        {
            let ratio = data.ratio(group, value);
            let list = if ratio > 1.0 + data.noise(group, value) {
                &mut slower
            } else {
                &mut even
            };
            if ratio > 1.0 {
                list.push(format!("{} {} {ratio:.2}", group.name, count(value)));
            }
        }
    }
    let mut found = if slower.is_empty() {
        "all".into()
    } else {
        format!("all but: {}", slower.join("; "))
    };
    if !even.is_empty() {
        found += &format!(" (even, within the noise: {})", even.join("; "));
    }
    Target::new(
        "every other case: at most 1.0 of the C driver",
        found,
        slower.is_empty(),
    )
}

#[cfg(test)]
mod tests {
    use super::targets;
    use crate::cases::{Group, Subject};
    use crate::counts::{Calls, Counts, Operation, READERS, Waking};
    use crate::report::data::Data;

    /// Counts at the limits.
    fn counts() -> Counts {
        let calls = [
            Calls::from([("_sx_xlock", 2.0)]),
            Calls::from([("wakeup", 1.0)]),
        ];
        let waking = |readers| Waking {
            title: format!("{readers}"),
            woken: [2.0, 64.0],
            calls: [1.0, 1.0],
        };
        Counts {
            operations: vec![Operation {
                title: "write",
                calls,
            }],
            waking: READERS.into_iter().map(waking).collect(),
            text: 8192,
            memory: 512,
        }
    }

    /// Times at the limits: the driver takes as long as memcpy, the C driver 20 times as long.
    fn time(_: &Group, subject: Subject, _: u64) -> f64 {
        if subject == Subject::Baseline {
            20.0
        } else {
            1.0
        }
    }

    /// The positions of the targets that are not met.
    fn missed(time: impl Fn(&Group, Subject, u64) -> f64, counts: &Counts) -> Vec<usize> {
        let targets = targets(&Data::made_up(time), counts).unwrap();
        targets
            .iter()
            .enumerate()
            .filter(|(_, target)| !target.met)
            .map(|(at, _)| at)
            .collect()
    }

    #[test]
    fn at_the_limits_all_are_met() {
        assert!(missed(time, &counts()).is_empty());
    }

    #[test]
    fn a_time_over_the_limit_misses_its_target_alone() {
        let slower = |name: &'static str, at: u64, by: f64| {
            move |group: &Group, subject, value| {
                let slow = (group.name, subject, value) == (name, Subject::Echodev, at);
                time(group, subject, value) * if slow { by } else { 1.0 }
            }
        };
        assert_eq!(missed(slower("pair", 64, 16.1), &counts()), [0]);
        assert_eq!(missed(slower("open", 1, 20.1), &counts()), [1]);
        assert_eq!(missed(slower("drain", 64 << 10, 1.01), &counts()), [2]);
        assert_eq!(missed(slower("drain", 16 << 20, 1.26), &counts()), [3]);
        assert_eq!(missed(slower("pair", 1 << 20, 1.06), &counts()), [4]);
    }

    #[test]
    fn a_count_over_the_limit_misses_its_target_alone() {
        let with = |change: fn(&mut Counts)| {
            let mut counts = counts();
            change(&mut counts);
            missed(time, &counts)
        };
        assert_eq!(with(|counts| counts.waking[2].woken[0] = 2.1), [5]);
        assert_eq!(
            with(|counts| counts.operations[0].calls[0].extend([("knote", 1.0)])),
            [6]
        );
        assert_eq!(with(|counts| counts.text += 1), [7]);
        assert_eq!(with(|counts| counts.memory += 1), [8]);
    }
}
