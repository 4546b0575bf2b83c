//! The build of echoctl for FreeBSD. FreeBSD itself uses its own compiler, other systems use
//! fetched tools.

mod elf;

use crate::command;
use crate::module::toolchain::{CTools, Freebsd, ON_FREEBSD, Rust};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const TARGET: &str = "x86_64-unknown-freebsd";

/// Builds `target/echoctl/<major>/echoctl`.
pub fn echoctl(root: &Path, freebsd: Freebsd) -> Result<PathBuf> {
    let program = if ON_FREEBSD {
        native(root)?
    } else {
        cross(root, freebsd)?
    };
    let path = root
        .join("target/echoctl")
        .join(freebsd.major())
        .join("echoctl");
    write_program(&path, &program).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The program for this system.
fn native(root: &Path) -> Result<Vec<u8>> {
    let target = root.join("target");
    command::run(cargo(root).arg("--target-dir").arg(&target))?;
    read(&target.join("release/echoctl"))
}

/// A call of cargo that builds the program.
fn cargo(root: &Path) -> Command {
    let mut cargo = command::cargo(root);
    cargo
        .args([
            "rustc",
            "--quiet",
            "--locked",
            "--package",
            "echoctl",
            "--bin",
            "echoctl",
            "--release",
        ])
        .args([
            "--config",
            "profile.release.panic='abort'",
            "--config",
            "profile.release.strip=true",
        ]);
    cargo
}

fn read(program: &Path) -> Result<Vec<u8>> {
    fs::read(program)
        .with_context(|| format!("cannot read {}, which was just built", program.display()))
}

/// The program for FreeBSD, built on another system. It is checked to be of that release line.
fn cross(root: &Path, freebsd: Freebsd) -> Result<Vec<u8>> {
    let tools = root.join("target/tools");
    // The newer tools have the libraries of both release lines. The older ones lose the note that
    // names the release.
    let build = root.join("target/echoctl/build");
    let c = CTools::release(&tools, Freebsd::V15, &build)?;
    let mut cargo = cargo(root);
    cargo.args(["--target", TARGET, "--target-dir"]).arg(&build);
    if !has_std() {
        let rust = Rust::get(&tools)?;
        rust.environment(&mut cargo);
        // Only its own compiler accepts the library's source, and only with unstable features.
        cargo.env("RUSTC", &rust.rustc).env("RUSTC_BOOTSTRAP", "1");
        cargo.args(["-Zbuild-std=std,panic_abort", "-Zbuild-std-features="]);
        if !build.join(TARGET).exists() {
            println!(
                "setting up: standard library of Rust {} for FreeBSD, from its source",
                rust.version
            );
        }
    }
    c.environment(&mut cargo, &build);
    cargo.env("ECHODEV_ZIG", c.ld().get_program());
    // These are only for the program, so that its dependencies are compiled once for all release
    // lines.
    let linker = root.join("xtask/src/release/freebsd-cc.sh");
    let release = format!("-Clink-arg=--target=x86_64-freebsd.{}.0", freebsd.major());
    command::run(cargo.args(["--", &format!("-Clinker={}", linker.display()), &release]))?;

    let mut program = read(&build.join(TARGET).join("release/echoctl"))?;
    elf::brand(&mut program)?;
    elf::check(&program, freebsd)
        .context("the program that was built is not of that release line")?;
    Ok(program)
}

/// Whether the compiler in use has the standard library for FreeBSD, which `rustup target add`
/// installs.
fn has_std() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    command::output(Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]))
        .is_ok_and(|dir| Path::new(dir.trim()).is_dir())
}

fn write_program(path: &Path, program: &[u8]) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, program)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
    fs::rename(&unfinished, path)
}
