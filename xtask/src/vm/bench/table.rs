//! The measurements in a table, and the targets.

use anyhow::{Context, Result};
use std::fmt;
use std::str::FromStr;

/// The guest program's names of what is measured, in the order of the columns.
const SUBJECTS: [&str; 3] = ["echodev", "C driver", "pipe"];
const ECHODEV: usize = 0;
const BASELINE: usize = 1;
const PIPE: usize = 2;

/// The relative difference that two measurements of the same thing may have.
const SPREAD: f64 = 0.002;

/// The drain that other drains are compared with.
const SMALLEST_DRAIN: &str = "one-byte drain of 64 bytes";

/// One measurement.
pub struct Measurement {
    case: String,
    subject: usize,
    time: f64,
}

impl FromStr for Measurement {
    type Err = anyhow::Error;

    /// `CASE, SUBJECT: TIME ns`
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (rest, time) = text.strip_suffix(" ns")?.rsplit_once(": ")?;
            let (case, subject) = rest.rsplit_once(", ")?;
            let subject = SUBJECTS.iter().position(|name| *name == subject)?;
            Some(Self {
                case: case.to_owned(),
                subject,
                time: time.parse().ok()?,
            })
        };
        parse().with_context(|| format!("not a measurement: {text}"))
    }
}

struct Row {
    case: String,
    times: [Option<f64>; SUBJECTS.len()],
}

/// All measurements; printed as Markdown.
pub struct Table(Vec<Row>);

impl FromIterator<Measurement> for Table {
    fn from_iter<I: IntoIterator<Item = Measurement>>(measurements: I) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for Measurement {
            case,
            subject,
            time,
        } in measurements
        {
            let at = rows
                .iter()
                .position(|row| row.case == case)
                .unwrap_or_else(|| {
                    rows.push(Row {
                        case,
                        times: [None; SUBJECTS.len()],
                    });
                    rows.len() - 1
                });
            rows[at].times[subject] = Some(time);
        }
        Self(rows)
    }
}

impl Table {
    /// The targets of `row`: its ratio to something else, the limit, and the name of that.
    fn targets(&self, row: &Row) -> Vec<(f64, f64, &'static str)> {
        let Some(time) = row.times[ECHODEV] else {
            return vec![];
        };
        let drain = row.case.starts_with("one-byte drain");
        let mut targets = Vec::new();
        let mut add = |other: Option<f64>, limit, name| {
            if let Some(other) = other {
                targets.push((time / other, limit, name));
            }
        };
        let of_baseline = if row.case.ends_with("blocked readers") {
            0.25
        } else {
            1.0
        };
        add(row.times[BASELINE], of_baseline, "the C driver");
        if drain || row.case.starts_with("write and read") {
            add(row.times[PIPE], 1.1, "a pipe");
        }
        if drain {
            let smallest = self.0.iter().find(|row| row.case == SMALLEST_DRAIN);
            add(smallest.and_then(|row| row.times[ECHODEV]), 1.1, "64 bytes");
        }
        targets
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |value: Option<f64>, digits| {
            value.map_or("–".into(), |value| format!("{value:.digits$}"))
        };
        writeln!(
            f,
            "| | {} | to C driver | to pipe | targets |",
            SUBJECTS.join(" | ")
        )?;
        writeln!(
            f,
            "| --- |{}",
            " ---: |".repeat(SUBJECTS.len() + 2) + " --- |"
        )?;
        for row in &self.0 {
            let [time, baseline, pipe] = row.times;
            let missed: Vec<_> = self
                .targets(row)
                .into_iter()
                .filter(|(ratio, limit, _)| *ratio > limit + SPREAD)
                .collect();
            let verdict = match missed[..] {
                [] => "met".to_owned(),
                _ => missed
                    .iter()
                    .map(|(_, limit, of)| format!("**missed: {limit:.2} of {of}**"))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            let ratio =
                |other: Option<f64>| number(time.zip(other).map(|(time, other)| time / other), 2);
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {verdict} |",
                row.case,
                number(time, 0),
                number(baseline, 0),
                number(pipe, 0),
                ratio(baseline),
                ratio(pipe),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(lines: &[&str]) -> String {
        lines
            .iter()
            .map(|line| line.parse::<Measurement>())
            .collect::<Result<Table>>()
            .unwrap()
            .to_string()
    }

    #[test]
    fn one_row_for_all_subjects() {
        let text = table(&[
            "a, b, pipe: 4.0 ns",
            "a, b, echodev: 2.0 ns",
            "a, b, C driver: 2.5 ns",
        ]);
        assert!(
            text.ends_with("| a, b | 2 | 2 | 4 | 0.80 | 0.50 | met |\n"),
            "{text}"
        );
    }

    #[test]
    fn missed_targets_are_listed() {
        for (lines, missed) in [
            (
                ["open, echodev: 1.1 ns", "open, C driver: 1.0 ns"],
                "**missed: 1.00 of the C driver**",
            ),
            (
                [
                    "16 blocked readers, echodev: 3.0 ns",
                    "16 blocked readers, C driver: 9.0 ns",
                ],
                "0.25 of the C driver",
            ),
            (
                [
                    "write and read, echodev: 1.2 ns",
                    "write and read, pipe: 1.0 ns",
                ],
                "1.10 of a pipe",
            ),
            (
                [
                    "one-byte drain of 64 bytes, echodev: 1.0 ns",
                    "one-byte drain of 1 MiB, echodev: 1.2 ns",
                ],
                "1.10 of 64 bytes",
            ),
        ] {
            let text = table(&lines);
            assert!(text.contains(missed), "{text}");
        }
    }

    #[test]
    fn lines_that_are_no_measurements() {
        for text in [
            "open: 1.0 ns",
            "open, other: 1.0 ns",
            "open, pipe: 1.0",
            "open, pipe: x ns",
        ] {
            assert!(text.parse::<Measurement>().is_err(), "{text}");
        }
    }
}
