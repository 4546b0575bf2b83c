//! Running other programs, with errors that name the command.

use anyhow::{Context, Result, bail, ensure};
use std::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `command` to its end. It is an error if it cannot be started or fails. Its output is shown
/// only then.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Does the same as [`run`], and returns what the command wrote to its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", name(command)))?;
    if !out.status.success() {
        bail!(
            "{} failed ({}): {command:?}\n{}{}",
            name(command),
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A call of cargo, the one that started this program, in the project's directory `root`.
pub fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root);
    cargo
}

/// Runs tests, which print their own output, with these arguments and variables.
pub fn cargo_test(root: &Path, arguments: &[&str], variables: &[(&str, &OsStr)]) -> Result<()> {
    let status = cargo(root)
        .args(["test", "--locked"])
        .args(arguments)
        .envs(variables.iter().copied())
        .status()
        .context("cannot start cargo")?;
    ensure!(
        status.success(),
        "tests failed: cargo test {}",
        arguments.join(" ")
    );
    Ok(())
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
