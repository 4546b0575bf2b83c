//! Running other programs, with errors that say what was run.

use anyhow::{Context, Result, bail};
use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `command` to its end; an error if it cannot be started or fails. What it prints is shown
/// only then.
pub fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// As [`run`], and gives what the command wrote to its standard output.
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

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
