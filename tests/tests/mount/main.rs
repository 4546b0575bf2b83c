//! Runs the cases against the module file hosted by kldhost and mounted, with real processes that
//! make Linux's system calls. Where nothing can be mounted, every case is skipped.
//!
//! `ECHODEV_KMOD_DIR` names the directory that has `15/echodev.ko`; without it, it is where `make
//! kmod` puts it.
#![forbid(unsafe_code)]

mod agent;
mod host;
mod process;
mod sys;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use conformance::cases::{self, Case};
use conformance::run::{Verdict, run};
use kldhost::fuse::Mount;
use kldhost::{Config, Kernel};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use host::MountHost;

fn main() -> ExitCode {
    if let Some(device) = std::env::var_os(agent::DEVICE) {
        return agent::main(device.into());
    }
    let arguments = Arguments::from_args();
    let module: Arc<Path> = module_dir().join("15/echodev.ko").into();
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

fn outcome(case: &Case, module: &Path) -> Result<Completion, Failed> {
    if !module.is_file() {
        return Err(format!("{} is missing: run `make kmod`", module.display()).into());
    }
    let mut host = MountHost::boot(module).map_err(|trouble| trouble.to_string())?;
    match run(case, &mut host) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
        Verdict::Failed(what) => Err(what.into()),
    }
}

/// Why nothing can be mounted here, if so.
fn why_not() -> Option<String> {
    let dir = match tempfile::tempdir() {
        Ok(dir) => dir,
        Err(error) => return Some(error.to_string()),
    };
    Mount::new(&Kernel::new(Config::default()), dir.path())
        .err()
        .map(|error| error.to_string())
}

fn module_dir() -> PathBuf {
    match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kmod"),
    }
}
