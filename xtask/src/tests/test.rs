//! `make test`: everything that can be tested on this machine, or a given module alone.

use crate::command;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::module::{bindings, check, kmod};
use crate::release::echoctl;
use crate::release::kld::only_on_linux;
use crate::vm::{self, native};
use anyhow::{Context, Result};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Packages whose tests also run on FreeBSD. kldhost is for Linux.
const PORTABLE: [&str; 5] = [
    "echodev",
    "freebsd-kernel-sys",
    "echoctl",
    "article",
    "xtask",
];

/// The environment variable for a kernel to boot.
const VM_KERNEL: &str = "ECHODEV_VM_KERNEL";

/// The environment variable for a module to test, in place of those that were built.
pub const KMOD: &str = "ECHODEV_KMOD";

/// What to test.
#[derive(clap::Args)]
pub struct Options {
    /// Run suite, model and faults on this module, and nothing else
    #[arg(long, default_value = "", hide_default_value = true)]
    module: OsString,
}

/// Builds all, checks the modules, and runs every test; or tests the module of the options.
pub fn test(root: &Path, options: &Options) -> Result<()> {
    if !options.module.is_empty() {
        return one_module(root, Path::new(&options.module));
    }
    let tools = root.join("target/tools");
    if !ON_FREEBSD && bindings::restarted(&tools)? {
        return Ok(());
    }
    for line in Freebsd::at_hand()? {
        let module = kmod::kmod(root, line)?;
        // With headers of a later release, FreeBSD's own build makes a module for that release.
        check::print(module.strip_prefix(root)?, (!ON_FREEBSD).then_some(line))?;
        echoctl::echoctl(root, line)?;
    }
    if ON_FREEBSD {
        let portable: Vec<_> = PORTABLE
            .iter()
            .flat_map(|package| ["--package", package])
            .collect();
        command::cargo_test(root, &[&portable[..], &["--all-targets"]].concat(), &[])?;
        native::test(root)?;
    } else {
        for line in Freebsd::ALL {
            kmod::testmods(root, line)?;
        }
        bindings::bindings(&tools, &root.join("freebsd-kernel-sys"), true)?;
        // The documentation of schedules is that of kldhost.
        let documented = ["--workspace", "--exclude", "schedules", "--doc"];
        command::cargo_test(root, &documented, &[])?;
        command::cargo_test(root, &["--workspace", "--all-targets"], &[])?;
    }
    match env::var_os(VM_KERNEL).filter(|kernel| !kernel.is_empty()) {
        Some(kernel) => vm::vm_test(root, &vm::Options::for_kernel(kernel)),
        None => Ok(()),
    }
}

/// Runs the suite, the model and the faults on the module in `file`.
fn one_module(root: &Path, file: &Path) -> Result<()> {
    only_on_linux(
        "test MODULE=",
        "`make vm-test KERNEL= MODULE=` tests a module in a virtual machine",
    )?;
    check::is_module(file)?;
    let file = file
        .canonicalize()
        .with_context(|| format!("cannot find {}", file.display()))?;
    println!(
        "testing {} on kldhost: suite, model and faults, and nothing else",
        file.display()
    );
    let tests = ["--package", "hosts", "--package", "model"];
    let programs = ["--test", "kldhost", "--test", "model", "--no-fail-fast"];
    command::cargo_test(
        root,
        &[&tests[..], &programs].concat(),
        &[
            (KMOD, file.as_os_str()),
            ("RUST_BACKTRACE", OsStr::new("0")),
            // A short sequence of calls is easier to understand.
            ("PROPTEST_MAX_SHRINK_ITERS", OsStr::new("2000")),
        ],
    )
    .with_context(|| format!("{} does not pass", file.display()))?;
    println!("{} passes suite, model and faults", file.display());
    Ok(())
}
