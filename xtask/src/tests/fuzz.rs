//! `make fuzz`: builds the targets of `tests/fuzz`, runs each for a while, and reports the result.

use crate::module::kmod;
use crate::module::toolchain::Freebsd;
use crate::{command, fetch};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, num::NonZeroU32};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const CARGO_FUZZ: &str = "0.13.2";

/// The package of the targets, a workspace of its own.
const TARGETS_DIR: &str = "tests/fuzz/targets";

/// The targets, and the sanitizer that each is run with. Hosted code is below 2 GB, where kldhost
/// checks its accesses itself, and where AddressSanitizer would be in the way.
const TARGETS: [(&str, &str); 3] = [
    ("program", "none"),
    ("image", "address"),
    ("inspect", "address"),
];

/// The limit for one call, in seconds. A call that takes longer hangs.
const TIMEOUT: u32 = 60;

/// Builds and runs all targets, each for `seconds`.
///
/// # Errors
///
/// A tool is missing, or a target has found something. All targets run before that is reported.
pub fn fuzz(root: &Path, seconds: NonZeroU32) -> Result<()> {
    let cxx = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    command::run(Command::new(&cxx).arg("--version")).context(
        "libFuzzer needs a C++ compiler (Debian: apt-get install g++; or name one in CXX)",
    )?;
    kmod::kmod(root, Freebsd::V15)?;
    let bin = cargo_fuzz(root)?;
    let mut finds = 0;
    for (name, sanitizer) in TARGETS {
        println!("{name}: building");
        let program = build(root, &bin, name, sanitizer)?;
        println!("{name}: running for {seconds} s");
        finds += usize::from(!run(root, name, &program, seconds)?);
    }
    ensure!(
        finds == 0,
        "{finds} of {} targets have found something",
        TARGETS.len()
    );
    Ok(())
}

/// The directory with cargo-fuzz in it.
fn cargo_fuzz(root: &Path) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let title = format!("cargo-fuzz {CARGO_FUZZ} (crates.io): builds fuzz targets");
    let dir = fetch::once(
        &tools.join(format!("cargo-fuzz-{CARGO_FUZZ}")),
        &title,
        |dir| {
            command::run(
                command::cargo(root)
                    .args([
                        "install",
                        "--quiet",
                        "--locked",
                        "cargo-fuzz",
                        "--version",
                        CARGO_FUZZ,
                        "--root",
                    ])
                    .arg(dir)
                    .arg("--target-dir")
                    .arg(dir.join("build")),
            )?;
            Ok(fs::remove_dir_all(dir.join("build"))?)
        },
    )?;
    Ok(dir.join("bin/cargo-fuzz"))
}

fn build(root: &Path, cargo_fuzz: &Path, name: &str, sanitizer: &str) -> Result<PathBuf> {
    let dir = root.join("target/fuzz").join(sanitizer);
    command::run(
        Command::new(cargo_fuzz)
            .current_dir(root)
            // Coverage counters and sanitizers are unstable options of the compiler.
            .env("RUSTC_BOOTSTRAP", "1")
            .args([
                "fuzz",
                "build",
                "--fuzz-dir",
                TARGETS_DIR,
                "--sanitizer",
                sanitizer,
                "--target",
                TRIPLE,
                "--target-dir",
            ])
            .arg(&dir)
            .arg(name),
    )?;
    Ok(dir.join(TRIPLE).join("release").join(name))
}

/// Runs a target, and returns whether it found nothing. New inputs are kept under `target/` for the
/// next run.
fn run(root: &Path, name: &str, program: &Path, seconds: NonZeroU32) -> Result<bool> {
    let (grown, seeds) = (
        root.join("target/fuzz/corpus").join(name),
        root.join("tests/fuzz/corpus").join(name),
    );
    let artifacts = root.join(TARGETS_DIR).join("artifacts").join(name);
    for dir in [&grown, &artifacts] {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let log = root.join("target/fuzz").join(format!("{name}.log"));
    let to_log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let status = Command::new(program)
        .args([&grown, &seeds])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stdout(to_log.try_clone()?)
        .stderr(to_log)
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let log_text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let executions =
        statistic(&log_text, "stat::number_of_executed_units:").unwrap_or("an unknown number of");
    if status.success() {
        println!("{name}: {executions} executions, nothing found");
        return Ok(true);
    }
    let Some(input) = statistic(&log_text, "Test unit written to") else {
        bail!(
            "{name} failed ({status}), but not because of an input; see {}",
            log.display()
        );
    };
    println!("{name}: {executions} executions, found: {}", why(&log_text));
    println!("  full log:  {}", log.display());
    println!("  replay:    {} {input}", program.display());
    Ok(false)
}

/// The text after a label, in the last line that has the label.
fn statistic<'a>(log: &'a str, label: &str) -> Option<&'a str> {
    log.lines()
        .rev()
        .find_map(|line| Some(line.split_once(label)?.1.trim()))
}

/// The message of the panic, or else the error of libFuzzer or of the sanitizer.
fn why(log: &str) -> &str {
    let mut lines = log.lines().skip_while(|line| !line.contains("panicked at"));
    let panic = lines.next().and(lines.next());
    panic
        .or_else(|| log.lines().find(|line| line.contains("ERROR:")))
        .unwrap_or("see the log")
}

#[cfg(test)]
mod tests {
    use super::{statistic, why};

    const LOG: &str = "INFO: Seed: 1\n#2\tINITED cov: 3\n\
        thread '<unnamed>' (9) panicked at tests/fuzz/src/x.rs:1:2:\n\
        bytes are lost\nnote: run with\n==9== ERROR: libFuzzer: deadly signal\n\
        artifact_prefix='/r/'; Test unit written to /r/crash-1\nstat::number_of_executed_units: 25\n";

    #[test]
    fn the_log_is_read() {
        assert_eq!(
            statistic(LOG, "stat::number_of_executed_units:"),
            Some("25")
        );
        assert_eq!(statistic(LOG, "Test unit written to"), Some("/r/crash-1"));
        assert_eq!(statistic(LOG, "stat::nothing:"), None);
        assert_eq!(why(LOG), "bytes are lost");
        assert_eq!(
            why("==9== ERROR: AddressSanitizer: SEGV\n"),
            "==9== ERROR: AddressSanitizer: SEGV"
        );
    }
}
