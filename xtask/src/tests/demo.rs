//! `make demo` and `make mount`: build what they need, and start the program of tests/article.

use crate::command;
use crate::module::kmod;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::release::kld::only_on_linux;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// The directory whose subdirectory dev is the mount point of the hosted device.
const DIR: &str = "target/run";

/// Replays the sessions of the article.
pub fn demo(root: &Path) -> Result<()> {
    if ON_FREEBSD {
        start(root, "load", &[])
    } else {
        start(root, "run", &[DIR])
    }
}

/// Leaves the hosted device mounted.
pub fn mount(root: &Path) -> Result<()> {
    only_on_linux("mount", "`make load` loads the module into the kernel")?;
    start(root, "mount", &[DIR])
}

fn start(root: &Path, what: &str, more: &[&str]) -> Result<()> {
    // The newest release line, if there are several.
    let line = Freebsd::at_hand()?
        .pop()
        .context("no release line to build for")?;
    let module = kmod::kmod(root, line)?;
    let mut packages = vec!["echoctl", "article"];
    if !ON_FREEBSD {
        packages.push("kldhost");
    }
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    command::run(
        command::cargo(root)
            .args(["build", "--quiet", "--locked"])
            .args(packages),
    )?;
    // It replaces this program, so that the signals of the terminal reach it alone.
    let mut article = command::cargo(root);
    let run = ["run", "--quiet", "--locked", "--package", "article", "--"];
    article.args(run).arg(what).arg(module).args(more);
    Err(article.exec()).context("cannot start cargo")
}
