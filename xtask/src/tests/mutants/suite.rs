//! Runs a test program on a module, until the first test that fails, hangs or ends the program.

use crate::command;
use anyhow::{Context, Result};
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The environment variable that names the module under test.
const MODULE: &str = "ECHODEV_KMOD";

/// The number of schedules of each scenario. It is enough to find the bugs that the scenarios are
/// for.
const SCHEDULES: &str = "6000";

/// A test program.
pub struct Suite {
    /// The name in the report.
    pub name: &'static str,
    program: PathBuf,
    /// Arguments that select some of its tests.
    filter: &'static [&'static str],
    /// The program hangs if it prints nothing for this long. A busy machine must not reach it.
    bound: Duration,
}

/// The result of a run.
pub enum Verdict {
    /// Every test has passed.
    Passed {
        /// The duration of the run.
        after: Duration,
    },
    /// A test has failed.
    Found {
        /// The time until the failure.
        after: Duration,
        /// The test, and how it failed.
        by: String,
    },
}

impl Suite {
    /// Builds all suites.
    pub fn all(root: &Path) -> Result<Vec<Self>> {
        let hosted = build(root, "hosts", "kldhost")?;
        let model = build(root, "model", "model")?;
        let schedules = build(root, "schedules", "schedules")?;
        let suite = |name, program: &Path, filter, seconds| {
            let (program, bound) = (program.to_owned(), Duration::from_secs(seconds));
            Self {
                name,
                program,
                filter,
                bound,
            }
        };
        Ok(vec![
            suite("suite", &hosted, &[], 60),
            suite(
                "schedules",
                &schedules,
                &["--skip=broken::", "--skip=leaving::"],
                60,
            ),
            suite("model", &model, &["random::"], 600),
            suite("faults", &model, &["faults::"], 300),
        ])
    }

    /// Runs the suite on `module`, one test after another.
    pub fn run(&self, module: &Path) -> Result<Verdict> {
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command
            .args(self.filter)
            .args(["--test-threads=1", "--color=never"])
            .env(MODULE, module);
        command.env("ECHODEV_SCHEDULES", SCHEDULES);
        // cargo runs tests in the directory of their package.
        command
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hosts"))
            .env("RUST_BACKTRACE", "0");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        let found = self.watch(&mut child);
        let after = began.elapsed();
        // The kill fails if the program has ended.
        let _killed = child.kill();
        let status = child.wait().context("cannot wait for a test program")?;
        Ok(match found {
            Some(by) => Verdict::Found { after, by },
            None if status.success() => Verdict::Passed { after },
            None => Verdict::Found {
                after,
                by: format!("{status}"),
            },
        })
    }

    /// Reads the output of the program. Returns the test that failed, or that was running when the
    /// program hung or ended.
    fn watch(&self, child: &mut Child) -> Option<String> {
        let pieces = pieces(child);
        let mut printed = String::new();
        loop {
            match pieces.recv_timeout(self.bound) {
                Ok(piece) => printed.push_str(&piece),
                Err(RecvTimeoutError::Timeout) => {
                    return Some(format!("{}: hangs", under_way(&printed)?));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return under_way(&printed).map(|test| format!("{test}: the program ends"));
                }
            }
            let failed = printed
                .lines()
                .find_map(|line| line.strip_prefix("test ")?.strip_suffix(" FAILED"));
            if let Some(test) = failed {
                return Some(test.trim_end_matches(" ...").trim_end().to_owned());
            }
        }
    }
}

/// The test that has started and has no result yet.
fn under_way(printed: &str) -> Option<&str> {
    let (_, last) = printed.rsplit_once("test ")?;
    let (name, rest) = last.split_once(" ... ")?;
    rest.trim().is_empty().then(|| name.trim_end())
}

/// The output of the child, in pieces.
fn pieces(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(mut stdout) = child.stdout.take() {
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = stdout.read(&mut piece) {
                if sender
                    .send(String::from_utf8_lossy(&piece[..n]).into_owned())
                    .is_err()
                {
                    break;
                }
            }
        });
    }
    receiver
}

/// Builds a test program of a package, and returns its path.
fn build(root: &Path, package: &str, test: &str) -> Result<PathBuf> {
    let mut cargo = command::cargo(root);
    cargo.args([
        "test",
        "--quiet",
        "--locked",
        "--package",
        package,
        "--test",
        test,
    ]);
    let messages = command::output(cargo.args(["--no-run", "--message-format=json"]))?;
    let programs = messages
        .split("\"executable\":\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'));
    let last = programs
        .last()
        .with_context(|| format!("cargo has not reported the path of the test program {test}"))?;
    Ok(last.0.into())
}
