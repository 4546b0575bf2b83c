//! The compilers that build a kernel module, found or fetched.

mod base;
mod c;
mod debian;
mod rust;

use crate::fetch::Wheel;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

pub use c::{CTools, linker};
pub use rust::Rust;

const ZIG_14: Wheel = Wheel {
    name: "ziglang",
    version: "0.15.2",
    sha256: "806316453d1ede7174ed3fefb8e5348154629089c3bb5fe812dfd0e172fac130",
    purpose: "C compiler, linker and FreeBSD 14 headers",
};
const ZIG_15: Wheel = Wheel {
    name: "ziglang",
    version: "0.16.0",
    sha256: "9fcda73f62b851dd72a54b710ad40a209896db14cfb13649e62191243556342b",
    purpose: "C compiler, linker and FreeBSD 15 headers",
};
const LIBCLANG: Wheel = Wheel {
    name: "libclang",
    version: "18.1.1",
    sha256: "c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b",
    purpose: "C parser for bindgen",
};

/// Whether this machine runs FreeBSD. If so, everything is built with its own compiler, for itself.
pub const ON_FREEBSD: bool = cfg!(target_os = "freebsd");

/// A FreeBSD release line that modules are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Freebsd {
    /// FreeBSD 14.x.
    #[value(name = "14")]
    V14,
    /// FreeBSD 15.x.
    #[value(name = "15")]
    V15,
}

impl Freebsd {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V14, Self::V15];

    /// The lines to build for by default. On FreeBSD that is its own line, elsewhere it is both.
    pub fn at_hand() -> Result<Vec<Self>> {
        if ON_FREEBSD {
            Ok(vec![base::Base::find()?.release_line()?])
        } else {
            Ok(Self::ALL.into())
        }
    }

    /// The line of the kernel with this `__FreeBSD_version`, if it is one of them.
    pub fn of(osreldate: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|line| line.osreldate() / 100_000 == osreldate / 100_000)
    }

    /// The major version, as in directory names.
    pub fn major(self) -> &'static str {
        match self {
            Self::V14 => "14",
            Self::V15 => "15",
        }
    }

    /// `__FreeBSD_version` of the line's .0 release. A module that asks for it loads on every later
    /// kernel of the line.
    pub fn osreldate(self) -> u32 {
        match self {
            Self::V14 => 1_400_097,
            Self::V15 => 1_500_068,
        }
    }

    fn zig(self) -> Wheel {
        match self {
            Self::V14 => ZIG_14,
            Self::V15 => ZIG_15,
        }
    }
}

/// The shared library that bindgen parses with. It is fetched if it is not there, except on
/// FreeBSD, where it has to be installed.
pub fn libclang(tools: &Path) -> Result<PathBuf> {
    if ON_FREEBSD {
        return base::libclang()
            .context("bindgen needs libclang: install it with `pkg install llvm`");
    }
    Ok(LIBCLANG.get(tools)?.join("clang/native/libclang.so"))
}
