//! Runs the cases against the module, hosted by kldhost and mounted, with real processes that make
//! Linux's system calls. If nothing can be mounted, every case is skipped. `hosts` finds the module
//! file.
#![forbid(unsafe_code)]

mod agent;
mod host;
mod process;
mod sys;
mod wire;

use host::MountHost;
use hosts::Subject;
use kldhost::fuse::Mount;
use kldhost::{Config, Kernel, Release};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::process::ExitCode;
use std::sync::Arc;
use suite::cases::{self, Case};
use suite::run::{Verdict, run};

fn main() -> ExitCode {
    if let Some(device) = std::env::var_os(agent::DEVICE) {
        return agent::main(device.into());
    }
    let arguments = Arguments::from_args();
    let module = Arc::new(Subject::built(Release::V15_0));
    let why_not: Arc<Option<String>> = Arc::new(why_not());
    let trial = |case: Case| {
        let (module, why_not) = (module.clone(), why_not.clone());
        Trial::ignorable_test(
            format!("mount::{}::{}", case.section, case.name),
            move || match &*why_not {
                Some(why) => Ok(Completion::ignored_with(why.clone())),
                None => outcome(&case, &module),
            },
        )
    };
    libtest_mimic::run(&arguments, cases::all().into_iter().map(trial).collect()).exit_code()
}

fn outcome(case: &Case, module: &Subject) -> Result<Completion, Failed> {
    module.check()?;
    let mut host = MountHost::boot(&module.file).map_err(|trouble| trouble.to_string())?;
    match run(case, &mut host) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
        Verdict::Failed(what) => Err(what.into()),
    }
}

/// The reason why nothing can be mounted, if there is one.
fn why_not() -> Option<String> {
    let dir = match tempfile::tempdir() {
        Ok(dir) => dir,
        Err(error) => return Some(error.to_string()),
    };
    Mount::new(&Kernel::new(Config::default()), dir.path())
        .err()
        .map(|error| error.to_string())
}
