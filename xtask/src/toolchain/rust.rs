//! A Rust compiler that can build `core`.

use crate::fetch;
use crate::sh;
use anyhow::{Result, bail};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version of Debian's `rustc-web` and `rust-web-src`, a matched pair of compiler and library
/// source.
const DEBIAN_RUST: &str = "1.96.0+dfsg1-1~deb12u2";

/// The oldest compiler whose `core` has what the driver uses (`Location::file_as_c_str`).
const MIN_RUST: (u32, u32) = (1, 92);

/// A Rust compiler and the source of its own `core`.
pub struct Rust {
    /// The compiler.
    pub rustc: PathBuf,
    /// The `library` directory of its source.
    pub library: PathBuf,
    /// Where the compiler's shared libraries are, if the system does not know.
    ld_library_path: Option<PathBuf>,
    /// Release and commit, for the names of what is built with it.
    pub version: String,
}

impl Rust {
    /// The first compiler that has its source beside it: $RUSTC, the one in the path, the system's.
    /// Else, on Debian, a fetched pair.
    pub fn get(tools: &Path) -> Result<Self> {
        let named = env::var_os("RUSTC").map(PathBuf::from);
        let candidates = ["rustc", "/usr/bin/rustc", "/usr/local/bin/rustc"].map(PathBuf::from);
        for rustc in named.into_iter().chain(candidates) {
            if let Ok(found) = Self::with_source(rustc, None) {
                return Ok(found);
            }
        }
        let fetched = match sh::output(Command::new("apt-get").arg("--version")) {
            Ok(_) => Self::from_debian(tools)?,
            Err(_) => bail!(
                "no Rust compiler with the source of its library found, which `core` for the kernel is built from\n\
                 install it with `rustup component add rust-src`, or on FreeBSD with `pkg install rust`"
            ),
        };
        Self::with_source(
            fetched.join("usr/bin/rustc"),
            Some(fetched.join("usr/lib/x86_64-linux-gnu")),
        )
    }

    fn from_debian(tools: &Path) -> Result<PathBuf> {
        let packages = |version: &str| {
            ["rustc-web", "rust-web-src"]
                .map(|name| format!("{name}{version}"))
                .to_vec()
        };
        let get = |version: &str| {
            fetch::debian(
                tools,
                "rustc-web",
                &packages(version),
                "Rust compiler with its source",
            )
        };
        let pinned = format!("={DEBIAN_RUST}");
        get(&pinned).or_else(|_| {
            sh::run(Command::new("apt-get").args(["update", "--quiet"]))?;
            get(&pinned).or_else(|_| {
                println!("rustc-web {DEBIAN_RUST} is no longer in Debian's archive; taking the newest there");
                get("")
            })
        })
    }

    fn with_source(rustc: PathBuf, ld_library_path: Option<PathBuf>) -> Result<Self> {
        let mut found = Self {
            rustc,
            library: PathBuf::new(),
            ld_library_path,
            version: String::new(),
        };
        let sysroot = sh::output(found.command().args(["--print", "sysroot"]))?;
        found.library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        if !found.library.join("core/src/lib.rs").is_file() {
            bail!(
                "{} has no source in {}",
                found.rustc.display(),
                found.library.display()
            );
        }
        let version = sh::output(found.command().arg("-vV"))?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))
            .unwrap_or_default();
        let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < MIN_RUST {
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

    /// Lets `command` start the compiler.
    pub fn environment(&self, command: &mut Command) {
        if let Some(dir) = &self.ld_library_path {
            command.env("LD_LIBRARY_PATH", dir);
        }
    }
}
