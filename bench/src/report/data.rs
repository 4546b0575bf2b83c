//! The data that criterion has measured.

use crate::cases::{GROUPS, Group, OWN, Subject};
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// Times in nanoseconds. For each measurement, they are the lowest and second lowest of the medians
/// of all rounds. Other programs can only add time, so the lowest is the best. The difference of
/// the two is a measure of its precision.
pub struct Data {
    times: HashMap<(&'static str, Subject, u64), [f64; 2]>,
    /// The number of rounds.
    pub rounds: usize,
}

impl Data {
    /// Reads criterion's directory, where each round is saved under its own name, `round1` and so
    /// on.
    ///
    /// # Errors
    ///
    /// A measurement is missing, or a file is not criterion's.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut data = Self {
            times: HashMap::new(),
            rounds: usize::MAX,
        };
        for group in &GROUPS {
            for &subject in group.subjects() {
                for &value in group.values {
                    let dir = dir
                        .join(group.name)
                        .join(subject.name())
                        .join(value.to_string());
                    let mut medians = medians(&dir)?;
                    data.rounds = data.rounds.min(medians.len());
                    medians.sort_by(f64::total_cmp);
                    let (Some(&least), Some(&second)) = (medians.first(), medians.get(1)) else {
                        let name = format!("{}/{}/{value}", group.name, subject.name());
                        bail!("{name} was not measured in two rounds, as `make bench` does");
                    };
                    data.times
                        .insert((group.name, subject, value), [least, second]);
                }
            }
        }
        Ok(data)
    }

    /// Invented times.
    #[cfg(test)]
    pub fn made_up(time: impl Fn(&Group, Subject, u64) -> f64) -> Self {
        let mut times = HashMap::new();
        for group in &GROUPS {
            for &subject in group.subjects() {
                times.extend(
                    group
                        .values
                        .iter()
                        .map(|&v| ((group.name, subject, v), [time(group, subject, v); 2])),
                );
            }
        }
        Self { times, rounds: 1 }
    }

    /// The time of one operation.
    ///
    /// # Panics
    ///
    /// If it is not a measurement of [`GROUPS`].
    pub fn get(&self, group: &Group, subject: Subject, value: u64) -> f64 {
        self.times[&(group.name, subject, value)][0]
    }

    /// The time of the driver, divided by that of the baseline.
    pub fn ratio(&self, group: &Group, value: u64) -> f64 {
        self.get(group, Subject::Echodev, value) / self.get(group, Subject::Baseline, value)
    }

    /// The possible error of a ratio, the relative difference of the two best rounds of either
    /// driver.
    ///
    /// # Panics
    ///
    /// As [`Data::get`].
    pub fn noise(&self, group: &Group, value: u64) -> f64 {
        let of = |subject| {
            let [least, second] = self.times[&(group.name, subject, value)];
            second / least - 1.0
        };
        of(Subject::Echodev).max(of(Subject::Baseline))
    }

    /// The time of kldhost itself for a system call.
    pub fn own(&self) -> f64 {
        let of = |subject| self.get(&OWN, subject, OWN.values[0]);
        of(Subject::Echodev).min(of(Subject::Baseline))
    }
}

/// The medians of all rounds of one measurement.
fn medians(dir: &Path) -> Result<Vec<f64>> {
    let mut medians = Vec::new();
    loop {
        let file = dir
            .join(format!("round{}", medians.len() + 1))
            .join("estimates.json");
        if !file.is_file() {
            return Ok(medians);
        }
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let json: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is not JSON", file.display()))?;
        match json["median"]["point_estimate"].as_f64() {
            Some(median) if median > 0.0 => medians.push(median),
            _ => bail!("{} has no median", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::medians;
    use std::fs;

    #[test]
    fn rounds_are_read_in_order_until_one_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        for (round, median) in [("round1", "3.5"), ("round2", "2.25"), ("round4", "1.0")] {
            fs::create_dir(dir.path().join(round)).unwrap();
            let json = format!(
                r#"{{"mean": {{"point_estimate": 9.0}}, "median": {{"point_estimate": {median}}}}}"#
            );
            fs::write(dir.path().join(round).join("estimates.json"), json).unwrap();
        }
        assert_eq!(medians(dir.path()).unwrap(), [3.5, 2.25]);
        fs::write(dir.path().join("round1/estimates.json"), "{}").unwrap();
        assert!(
            medians(dir.path())
                .unwrap_err()
                .to_string()
                .contains("has no median")
        );
    }
}
