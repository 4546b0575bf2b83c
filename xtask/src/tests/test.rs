//! `make test`: everything that can be tested on this machine.

use crate::command;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::module::{bindings, check, kmod};
use crate::release::echoctl;
use crate::vm::{self, native};
use anyhow::{Context, Result, ensure};
use std::env;
use std::path::Path;

/// Packages whose tests run on FreeBSD, too: kldhost is for Linux.
const PORTABLE: [&str; 5] = [
    "echodev",
    "freebsd-kernel-sys",
    "echoctl",
    "article",
    "xtask",
];

/// The environment variable that names a kernel to boot.
const VM_KERNEL: &str = "ECHODEV_VM_KERNEL";

/// Builds all, checks the modules, and runs every test.
pub fn test(root: &Path) -> Result<()> {
    let tools = root.join("target/tools");
    if !ON_FREEBSD && bindings::restarted(&tools)? {
        return Ok(());
    }
    for line in Freebsd::at_hand()? {
        let module = kmod::kmod(root, line)?;
        // Headers of a later release of the line make a module that asks for that one.
        check::print(module.strip_prefix(root)?, (!ON_FREEBSD).then_some(line))?;
        echoctl::echoctl(root, line)?;
    }
    if ON_FREEBSD {
        let portable: Vec<_> = PORTABLE
            .iter()
            .flat_map(|package| ["--package", package])
            .collect();
        cargo_test(root, &[&portable[..], &["--all-targets"]].concat())?;
        native::test(root)?;
    } else {
        for line in Freebsd::ALL {
            kmod::testmods(root, line)?;
        }
        bindings::bindings(&tools, &root.join("freebsd-kernel-sys"), true)?;
        cargo_test(root, &["--workspace", "--doc"])?;
        cargo_test(root, &["--workspace", "--all-targets"])?;
    }
    match env::var_os(VM_KERNEL).filter(|kernel| !kernel.is_empty()) {
        Some(kernel) => vm::vm_test(root, &vm::Options::for_kernel(kernel)),
        None => Ok(()),
    }
}

/// Runs tests, which print for themselves.
fn cargo_test(root: &Path, arguments: &[&str]) -> Result<()> {
    let mut cargo = command::cargo(root);
    cargo.args(["test", "--locked"]).args(arguments);
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(
        status.success(),
        "tests failed: cargo test {}",
        arguments.join(" ")
    );
    Ok(())
}
