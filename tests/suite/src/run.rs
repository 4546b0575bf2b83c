//! Runs a case on a host.

use crate::cases::Case;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::host::Host;
use alloc::format;
use alloc::string::{String, ToString};

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every expectation was met.
    Passed,
    /// The host lacks a feature. The text has the feature and the reason.
    Skipped(String),
    /// The first expectation that was not met.
    Failed(String),
}

/// Runs `case` on `host`. It begins with a device in its first state, and ends with an unloaded
/// module that has left nothing.
pub fn run(case: &Case, host: &mut dyn Host) -> Verdict {
    for need in case.needs {
        if let Some(why) = host.lacks(*need) {
            return Verdict::Skipped(format!("{need:?}: {why}"));
        }
    }
    match attempt(case, host) {
        Ok(()) => Verdict::Passed,
        // A kernel that stopped is the best explanation for a process that hung.
        Err(failure) => Verdict::Failed(match host.health() {
            Ok(()) => failure.to_string(),
            Err(trouble) => format!("{failure}\n{trouble}"),
        }),
    }
}

fn attempt(case: &Case, host: &mut dyn Host) -> Outcome {
    let mut cx = Ctx::begin(host)?;
    let outcome = (case.run)(&mut cx);
    // The host must be clean for the next case also after a failure. The first failure is the more
    // useful one.
    let end = cx.end();
    outcome.and(end)
}
