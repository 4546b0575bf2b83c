//! `make run` and `make host`: builds what they need, and hands over to the program that plays.

use crate::command;
use crate::module::kmod;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::release::kld::only_on_linux;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

/// Where the hosted device appears, in the subdirectory dev.
const DIR: &str = "target/run";

/// Replays the sessions of the article.
pub fn run(root: &Path) -> Result<()> {
    if ON_FREEBSD {
        play(root, "load", &[])
    } else {
        play(root, "run", &[DIR])
    }
}

/// Leaves the hosted device up.
pub fn host(root: &Path) -> Result<()> {
    only_on_linux("host", "`make load` loads the module into the kernel")?;
    play(root, "host", &[DIR])
}

fn play(root: &Path, what: &str, more: &[&str]) -> Result<()> {
    // The newest, where there are several.
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
    // In place of this program, so that it alone gets the signals of the terminal.
    let mut demo = command::cargo(root);
    demo.args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "article",
        "--",
        what,
    ])
    .arg(module)
    .args(more);
    Err(demo.exec()).context("cannot start cargo")
}
