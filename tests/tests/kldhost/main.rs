//! Runs every case against the module files, hosted in this process by kldhost as each release.
//!
//! `ECHODEV_KMOD_DIR` names the directory that has `14/echodev.ko` and `15/echodev.ko`; without it,
//! it is where `make kmod` puts them. `ECHODEV_KMOD` names one module for FreeBSD 15, which alone
//! is tested then, on 15.0.
#![forbid(unsafe_code)]

mod host;
mod process;
mod sys;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conformance::cases;
use conformance::run::{Verdict, run};
use kldhost::Release;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use host::KldHost;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match std::env::var_os("ECHODEV_KMOD") {
        Some(module) => trials(Release::V15_0, module.into()),
        None => Release::ALL
            .into_iter()
            .flat_map(|release| trials(release, built(release)))
            .collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(release: Release, module: PathBuf) -> Vec<Trial> {
    let trial = |case: cases::Case| {
        let module = module.clone();
        let name = format!("{release}::{}::{}", case.section, case.name);
        Trial::ignorable_test(name, move || outcome(&case, &module, release))
    };
    cases::all().into_iter().map(trial).collect()
}

fn outcome(case: &cases::Case, module: &Path, release: Release) -> Result<Completion, Failed> {
    if !module.is_file() {
        return Err(format!("{} is missing: run `make kmod`", module.display()).into());
    }
    match run(case, &mut KldHost::boot(module, release)) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
        Verdict::Failed(what) => Err(what.into()),
    }
}

/// The file of the release's line.
fn built(release: Release) -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kmod"),
    };
    let line = if release < Release::V15_0 { "14" } else { "15" };
    dir.join(line).join("echodev.ko")
}
