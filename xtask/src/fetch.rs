//! Set-up that a fresh machine lacks.
//!
//! It is fetched by name from the package registries, and kept under `target/tools`. Each step
//! prints one line, and is done once. A step is finished when the directory has its final name.

use crate::command;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A wheel of PyPI: one version, one file.
pub struct Wheel {
    /// The package's name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// SHA-256 of the wheel for Linux on amd64, checked by pip.
    pub sha256: &'static str,
    /// What it is needed for. The line of the step shows this.
    pub purpose: &'static str,
}

impl Wheel {
    /// The directory that holds the unpacked wheel. It is fetched if it is not there.
    pub fn get(&self, tools: &Path) -> Result<PathBuf> {
        let title = format!("{} {} (PyPI): {}", self.name, self.version, self.purpose);
        once(
            &tools.join(format!("{}-{}", self.name, self.version)),
            &title,
            |dir| {
                fs::create_dir_all(dir)?;
                let requirements = dir.join("requirements.txt");
                fs::write(
                    &requirements,
                    format!(
                        "{}=={} --hash=sha256:{}\n",
                        self.name, self.version, self.sha256
                    ),
                )?;
                command::run(
                    Command::new("python3")
                        .args([
                            "-m",
                            "pip",
                            "install",
                            "--quiet",
                            "--disable-pip-version-check",
                            "--root-user-action=ignore",
                        ])
                        .args([
                            "--no-deps",
                            "--only-binary=:all:",
                            "--require-hashes",
                            "--no-compile",
                            "--target",
                        ])
                        .arg(dir)
                        .arg("-r")
                        .arg(&requirements),
                )
                .context(
                    "python3 with pip is needed to fetch it (Debian: apt-get install python3-pip)",
                )
            },
        )
    }
}

/// Updates apt's lists of what Debian's archive has.
pub fn update_debian() -> Result<()> {
    command::run(Command::new("apt-get").args(["update", "--quiet"]))
}

/// Unpacks Debian packages into `dir` without installing them, with the dependencies that the
/// machine lacks. apt checks the archive's signatures. A package may be given as `name=version`.
pub fn unpack_debian(dir: &Path, packages: &[String]) -> Result<()> {
    let archives = dir.join("archives");
    fs::create_dir_all(archives.join("partial"))?;
    let mut cache = std::ffi::OsString::from("Dir::Cache::Archives=");
    cache.push(fs::canonicalize(&archives)?);
    command::run(
        Command::new("apt-get")
            .args([
                "install",
                "--yes",
                "--quiet",
                "--no-install-recommends",
                "--download-only",
                "-o",
            ])
            .arg(cache)
            .args(["-o", "APT::Sandbox::User=root"])
            .args(packages),
    )?;
    for entry in fs::read_dir(&archives)? {
        let deb = entry?.path();
        if deb.extension().is_some_and(|ext| ext == "deb") {
            command::run(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(dir))?;
        }
    }
    Ok(fs::remove_dir_all(&archives)?)
}

/// Makes the directory `dir` by calling `make`, unless it is there already. It has another name
/// until it is finished.
pub fn once(dir: &Path, title: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !dir.is_dir() {
        println!("setting up: {title}");
        let unfinished = dir.with_extension("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)
            .with_context(|| format!("cannot create {}", unfinished.display()))?;
        make(&unfinished).with_context(|| format!("setting up failed: {title}"))?;
        fs::rename(&unfinished, dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    Ok(dir.to_owned())
}
