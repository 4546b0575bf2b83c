//! Runs every case against the module files, hosted in this process by kldhost.
//!
//! `ECHODEV_KMOD_DIR` names the directory that has `14/echodev.ko` and `15/echodev.ko`; without it, it is where
//! `make kmod` puts them. `ECHODEV_KMOD` names one module for FreeBSD 15, which alone is tested then.
#![forbid(unsafe_code)]

mod host;
mod process;
mod sys;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use conformance::cases;
use conformance::run::{Verdict, run};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use host::KldHost;

/// The majors of FreeBSD that there is a module file for, and the kernel to load each on (`__FreeBSD_version`).
const KERNELS: [(&str, i32); 2] = [("14", 1_400_097), ("15", 1_500_068)];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match std::env::var_os("ECHODEV_KMOD") {
        Some(module) => trials("15", KERNELS[1].1, module.into()),
        None => KERNELS.iter().flat_map(|(major, osreldate)| trials(major, *osreldate, built(major))).collect(),
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trials(major: &str, osreldate: i32, module: PathBuf) -> Vec<Trial> {
    let trial = |case: cases::Case| {
        let module = module.clone();
        let name = format!("{major}::{}::{}", case.section, case.name);
        Trial::ignorable_test(name, move || outcome(&case, &module, osreldate))
    };
    cases::all().into_iter().map(trial).collect()
}

fn outcome(case: &cases::Case, module: &Path, osreldate: i32) -> Result<Completion, Failed> {
    if !module.is_file() {
        return Err(format!("{} is missing: run `make kmod`", module.display()).into());
    }
    match run(case, &mut KldHost::boot(module, osreldate)) {
        Verdict::Passed => Ok(Completion::Completed),
        Verdict::Skipped(why) => Ok(Completion::ignored_with(why)),
        Verdict::Failed(what) => Err(what.into()),
    }
}

fn built(major: &str) -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kmod"),
    };
    dir.join(major).join("echodev.ko")
}
