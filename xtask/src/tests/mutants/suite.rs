//! A test program, run on a module: until the first test that fails, or hangs, or takes the program
//! down.

use crate::command;
use anyhow::{Context, Result};
use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Names the module that the test programs test.
const MODULE: &str = "ECHODEV_KMOD";

/// The number of schedules of each scenario: enough to find what the scenarios are for.
const SCHEDULES: &str = "1000";

/// A test program.
pub struct Suite {
    /// What it is called.
    pub name: &'static str,
    program: PathBuf,
    /// Which of its tests.
    filter: &'static [&'static str],
    /// No test takes longer, but one that hangs.
    bound: Duration,
}

/// What came of a run.
pub enum Verdict {
    /// Every test has passed.
    Passed {
        /// How long it took.
        after: Duration,
    },
    /// One has not.
    Found {
        /// How long it took until then.
        after: Duration,
        /// Which.
        by: String,
    },
}

impl Suite {
    /// All, built.
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
            suite("suite", &hosted, &[], 20),
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

    /// Runs it on `module`, one test after another.
    pub fn run(&self, module: &Path) -> Result<Verdict> {
        let began = Instant::now();
        let mut command = Command::new(&self.program);
        command
            .args(self.filter)
            .args(["--test-threads=1", "--color=never"])
            .env(MODULE, module);
        command.env("ECHODEV_SCHEDULES", SCHEDULES);
        // The directory that cargo would run it in.
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
        // It may have ended by itself.
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

    /// Reads what it prints: the test that has failed, or in which it has hung or ended.
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

/// The test that was begun, and has no result yet.
fn under_way(printed: &str) -> Option<&str> {
    let (_, last) = printed.rsplit_once("test ")?;
    let (name, rest) = last.split_once(" ... ")?;
    rest.trim().is_empty().then(|| name.trim_end())
}

/// What the child prints, piece by piece.
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

/// Builds a test program of a package; its path.
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
        .with_context(|| format!("cargo has not said where the test program {test} is"))?;
    Ok(last.0.into())
}
