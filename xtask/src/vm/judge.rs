//! The judge of console output, which is TAP of the guest and complaints of the kernel.

use std::fmt::Write;

/// Parts of lines that mean that something is wrong. The guest uses the same list.
const COMPLAINTS: &str = include_str!("../../../tests/vm/complaints.txt");

/// A complaint that nothing follows.
const PANIC: &str = "panic: ";

/// Beginnings of lines by which a loader or a kernel reports that it cannot start.
const NO_START: [&str; 2] = ["loader: ", "Mounting from "];

/// The console so far.
#[derive(Default)]
pub struct Judge {
    lines: Vec<String>,
    started: bool,
    plan: Option<usize>,
    passed: usize,
    skipped: usize,
    failed: usize,
    /// The case that runs.
    case: Option<String>,
    faults: Vec<Fault>,
    dead: bool,
}

/// Something that makes the run a failure.
struct Fault {
    what: String,
    /// The index of its line.
    line: usize,
}

impl Judge {
    /// Takes the next line. Returns true if it is TAP, a result or a diagnostic for readers.
    pub fn line(&mut self, line: &str) -> bool {
        self.lines.push(line.to_owned());
        self.started |= line.starts_with("TAP version");
        if let Some(complaint) = COMPLAINTS
            .lines()
            .find(|complaint| line.contains(complaint))
        {
            // A kernel may complain while it starts. That is not the module's fault.
            let panic = line.contains(PANIC);
            if !line.starts_with('#') && (self.started || panic) {
                self.dead |= panic;
                self.fault(format!("the kernel printed \"{}\"", complaint.trim_end()));
            }
        }
        if !self.started && NO_START.iter().any(|beginning| line.starts_with(beginning)) {
            self.dead = true;
            self.fault(line.to_owned());
        }
        self.started && self.tap(line)
    }

    fn tap(&mut self, line: &str) -> bool {
        if let Some(case) = line.strip_prefix("# case ") {
            self.case = Some(case.to_owned());
            return false;
        }
        if let Some(plan) = line.strip_prefix("1..") {
            self.plan = plan.parse().ok();
        } else if line.starts_with("ok ") {
            if line.contains(" # SKIP ") {
                self.skipped += 1
            } else {
                self.passed += 1
            }
            self.case = None;
        } else if line.starts_with("not ok ") {
            self.failed += 1;
            self.case = None;
            self.fault(line.to_owned());
        } else if line.starts_with("Bail out!") {
            self.fault(line.to_owned());
        } else {
            return line.starts_with("# ") || line.starts_with("TAP version");
        }
        true
    }

    /// Ends the judgement. The machine has ended by itself, or was stopped for the reason
    /// `stopped`.
    pub fn end(&mut self, stopped: Option<&str>) {
        if let Some(why) = stopped {
            self.fault(why.to_owned());
        } else if self.dead {
            // That is a fault already.
        } else if !self.started {
            self.fault("the machine ended before the guest program began".to_owned());
        } else if self.plan.is_none() {
            self.fault("the guest program gave no plan".to_owned());
        } else if self.plan != Some(self.passed + self.skipped + self.failed) {
            self.fault("the machine ended before the last case".to_owned());
        }
    }

    fn fault(&mut self, what: String) {
        let what = match &self.case {
            Some(case) => format!("{what}, in {case}"),
            None => what,
        };
        self.faults.push(Fault {
            what,
            line: self.lines.len().saturating_sub(1),
        });
    }

    /// Whether there was no fault.
    pub fn passed(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether no more output is expected, though the machine may not end by itself.
    pub fn dead(&self) -> bool {
        self.dead
    }

    /// The first line that contains `text`.
    pub fn line_with(&self, text: &str) -> Option<&str> {
        self.lines
            .iter()
            .map(String::as_str)
            .find(|line| line.contains(text))
    }

    /// The names of the cases that passed.
    pub fn passed_cases(&self) -> impl Iterator<Item = &str> {
        let results = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("ok "));
        results
            .filter_map(|result| result.split_once(" - "))
            .map(|(_, name)| name)
    }

    /// The counts.
    pub fn summary(&self) -> String {
        let not_run = self
            .plan
            .unwrap_or(0)
            .saturating_sub(self.passed + self.skipped + self.failed);
        let mut text = format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        if not_run > 0 {
            let _ = write!(text, ", {not_run} not run");
        }
        text
    }

    /// Every fault, with the console around it.
    pub fn report(&self) -> String {
        const BEFORE: usize = 8;
        const AFTER: usize = 24;
        let mut text = String::new();
        let mut shown = 0;
        for fault in &self.faults {
            let _ = writeln!(text, "\nFAILED: {}", fault.what);
            let from = fault.line.saturating_sub(BEFORE).max(shown);
            let to = (fault.line + AFTER).min(self.lines.len());
            for line in self.lines.get(from..to).unwrap_or_default() {
                let _ = writeln!(text, "    | {line}");
            }
            shown = shown.max(to);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(console: &str) -> Judge {
        let mut judge = Judge::default();
        for line in console.lines() {
            judge.line(line);
        }
        judge.end(None);
        judge
    }

    #[test]
    fn a_run_without_faults() {
        let judge = judged(
            "lock order reversal:\nTAP version 13\n1..2\n# case a::b\nok 1 - a::b\nok 2 - c # SKIP no",
        );
        assert!(judge.passed(), "{}", judge.report());
        assert_eq!(judge.summary(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn faults() {
        for (console, fault) in [
            ("", "before the guest program began"),
            ("TAP version 13", "no plan"),
            ("TAP version 13\n1..2\nok 1 - a", "before the last case"),
            ("TAP version 13\n1..1\nnot ok 1 - a", "not ok 1 - a"),
            ("TAP version 13\n1..1\nBail out! x\nok 1 - a", "Bail out! x"),
            (
                "TAP version 13\n1..1\n# case a::b\nlock order reversal:\nok 1 - a",
                "\"lock order reversal\", in a::b",
            ),
            ("panic: early", "the kernel printed \"panic:\""),
            ("loader: there is no file kernel", "there is no file kernel"),
            (
                "Mounting from cd9660:/dev/md0 failed with error 19.",
                "failed with error 19",
            ),
        ] {
            let judge = judged(console);
            assert!(
                !judge.passed() && judge.report().contains(fault),
                "{console:?}: {}",
                judge.report()
            );
        }
    }

    #[test]
    fn a_report_shows_the_console_around_a_fault_once() {
        let judge = judged("TAP version 13\n1..1\nok 0\npanic: x\n#0 here\n#1 there");
        assert!(judge.dead());
        assert_eq!(judge.report().matches("#1 there").count(), 1);
    }
}
