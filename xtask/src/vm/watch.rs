//! The watch over a machine until it ends, or has to be stopped.

use super::boot::Running;
use super::judge::Judge;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::ChildStdout;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The times after which a machine is stopped.
pub struct Limits {
    /// Of running.
    pub total: Duration,
    /// Without output.
    pub silence: Duration,
    /// After a panic or a similar fault, in which some kernels hang.
    pub after_death: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(3600),
            silence: Duration::from_secs(600),
            after_death: Duration::from_secs(10),
        }
    }
}

/// Judges the machine's console line by line, and writes it to `log`. With `print`, also writes the
/// TAP to standard output as it arrives. Also returns the time that the machine ran.
pub fn watch(
    mut running: Running,
    log: &Path,
    limits: &Limits,
    print: bool,
) -> Result<(Judge, Duration)> {
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let lines = lines_of(
        running
            .child
            .stdout
            .take()
            .context("a machine without a console")?,
    );
    let start = Instant::now();
    let mut death: Option<Instant> = None;
    let mut judge = Judge::default();
    let stopped = loop {
        let until_total = limits.total.saturating_sub(start.elapsed());
        let mut wait = until_total.min(limits.silence);
        if let Some(death) = death {
            wait = wait.min(limits.after_death.saturating_sub(death.elapsed()));
        }
        match lines.recv_timeout(wait) {
            Ok(line) => {
                writeln!(log, "{line}")?;
                if judge.line(&line) && print {
                    println!("{line}");
                }
                if death.is_none() && judge.dead() {
                    death = Some(Instant::now());
                }
            }
            Err(RecvTimeoutError::Disconnected) => break None,
            // The kernel's output is the fault then.
            Err(RecvTimeoutError::Timeout) if death.is_some() => break None,
            Err(RecvTimeoutError::Timeout) if until_total <= limits.silence => {
                break Some(format!(
                    "the machine did not finish within {} s",
                    limits.total.as_secs()
                ));
            }
            Err(RecvTimeoutError::Timeout) => {
                break Some(format!(
                    "the machine printed nothing for {} s",
                    limits.silence.as_secs()
                ));
            }
        }
    };
    judge.end(stopped.as_deref());
    Ok((judge, start.elapsed()))
}

/// The lines of a console, read by a thread of its own.
fn lines_of(console: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while console.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line);
            // It fails once the machine is to be stopped.
            if sender
                .send(text.trim_end_matches(['\r', '\n']).to_owned())
                .is_err()
            {
                break;
            }
            line.clear();
        }
    });
    receiver
}
