//! Runs every case against the module files, which kldhost hosts in this process as each release.
//! `hosts` finds the files.
#![forbid(unsafe_code)]

mod host;
mod process;
mod sys;

use host::KldHost;
use hosts::Subject;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use suite::cases;
use suite::run::{Verdict, run};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = Subject::all().iter().flat_map(trials).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(subject: &Subject) -> Vec<Trial> {
    let trial = |case: cases::Case| {
        let subject = subject.clone();
        let name = format!("{}::{}::{}", subject.release, case.section, case.name);
        Trial::ignorable_test(name, move || outcome(&case, &subject))
    };
    cases::all().into_iter().map(trial).collect()
}

fn outcome(case: &cases::Case, subject: &Subject) -> Result<Completion, Failed> {
    subject.check()?;
    match run(case, &mut KldHost::boot(&subject.file, subject.release)) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
        Verdict::Failed(what) => Err(what.into()),
    }
}
