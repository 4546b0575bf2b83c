//! `kldhost run`: the device as ordinary programs see it on the mount, and how a mount begins and
//! ends. Skipped where nothing can be mounted.
#![forbid(unsafe_code)]

mod begin;
mod device;
mod end;
mod events;
mod programs;
mod run;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use kldhost::fuse::Mount;
use kldhost::{Config, Kernel};
use libtest_mimic::{Arguments, Completion, Trial};

/// A test fails by panicking.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    // One at a time: a child that is being started has copies of all open files for a moment, and
    // closing one of them is not the last close then.
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let why_not: Arc<Option<String>> = Arc::new(why_not());
    let tests = [
        begin::TESTS,
        device::TESTS,
        end::TESTS,
        events::TESTS,
        programs::TESTS,
    ]
    .concat();
    let trial = |(name, test): Test| {
        let why_not = why_not.clone();
        Trial::ignorable_test(name, move || match &*why_not {
            Some(why) => Ok(Completion::ignored_with(why.clone())),
            None => {
                test();
                Ok(Completion::Completed)
            }
        })
    };
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit_code()
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

/// The file of the driver's module.
fn echodev() -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kmod"),
    };
    is_there(dir.join("15/echodev.ko"))
}

/// The file of a test module, `testmods/NAME.c` compiled.
fn testmod(name: &str) -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_TESTMODS_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testmods"),
    };
    is_there(dir.join("15").join(name).with_extension("ko"))
}

fn is_there(file: PathBuf) -> PathBuf {
    assert!(
        file.is_file(),
        "{} is not there: `make test` builds it",
        file.display()
    );
    file
}
