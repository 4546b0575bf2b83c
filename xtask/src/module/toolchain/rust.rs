//! A Rust compiler that can build `core`.

use super::debian;
use crate::command;
use anyhow::{Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest compiler whose `core` has everything that the driver uses
/// (`Location::file_as_c_str`).
pub const MIN_RUST: (u32, u32) = (1, 92);

/// A Rust compiler and the source of its own `core`.
pub struct Rust {
    /// The compiler.
    pub rustc: PathBuf,
    /// The `library` directory of its source.
    pub library: PathBuf,
    /// The directory of the compiler's shared libraries, if it is not one of the system's.
    ld_library_path: Option<PathBuf>,
    /// Release and commit, for the names of files that are built with it.
    pub version: String,
}

impl Rust {
    /// The first of $RUSTC, the compiler in the path and the system's that has its source. If there
    /// is none, on Debian, a fetched pair.
    pub fn get(tools: &Path) -> Result<Self> {
        let named = env::var_os("RUSTC").map(PathBuf::from);
        let candidates = ["rustc", "/usr/bin/rustc", "/usr/local/bin/rustc"].map(PathBuf::from);
        for rustc in named.into_iter().chain(candidates) {
            if let Ok(found) = Self::with_source(rustc, None) {
                return Ok(found);
            }
        }
        let fetched = match command::output(Command::new("apt-get").arg("--version")) {
            Ok(_) => debian::rust(tools)?,
            Err(_) => bail!(
                "no Rust compiler of version {}.{} or later with the source of its library found, \
                 which `core` for the kernel is built from\nInstall it with \
                 `rustup component add rust-src`, or on FreeBSD with `pkg install rust`",
                MIN_RUST.0,
                MIN_RUST.1
            ),
        };
        Self::with_source(
            fetched.join("usr/bin/rustc"),
            Some(fetched.join("usr/lib/x86_64-linux-gnu")),
        )
    }

    fn with_source(rustc: PathBuf, ld_library_path: Option<PathBuf>) -> Result<Self> {
        let mut found = Self {
            rustc,
            library: PathBuf::new(),
            ld_library_path,
            version: String::new(),
        };
        let sysroot = command::output(found.command().args(["--print", "sysroot"]))?;
        found.library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        if !found.library.join("core/src/lib.rs").is_file() {
            bail!(
                "{} has no source in {}",
                found.rustc.display(),
                found.library.display()
            );
        }
        let version = command::output(found.command().arg("-vV"))?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .unwrap_or_default();
        if debian::release(release) < MIN_RUST {
            bail!(
                "{} is {release}; at least {}.{} is needed",
                found.rustc.display(),
                MIN_RUST.0,
                MIN_RUST.1
            );
        }
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "))
            .unwrap_or_default();
        found.version = format!("{release}-{}", commit.get(..9).unwrap_or("unknown"));
        Ok(found)
    }

    /// A call of the compiler.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.rustc);
        self.environment(&mut command);
        command
    }

    /// Sets the environment of `command` so that it can start the compiler.
    pub fn environment(&self, command: &mut Command) {
        if let Some(dir) = &self.ld_library_path {
            command.env("LD_LIBRARY_PATH", dir);
        }
    }
}
