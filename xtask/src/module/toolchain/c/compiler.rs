//! The programs that compile and link for FreeBSD, `zig` or those of FreeBSD's base system.

use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `zig cc` emits SSE even with `-mno-sse`. Only its own `-mcpu` turns SSE off.
const ZIG_CFLAGS: [&str; 4] = [
    "-target",
    "x86_64-freebsd",
    "-mcpu=baseline-sse-sse2-mmx-x87+soft_float",
    "-fno-sanitize=all",
];

/// The same flags for clang, which is FreeBSD's `cc`.
const CLANG_CFLAGS: [&str; 3] = ["-mno-sse", "-mno-mmx", "-msoft-float"];

/// A compiler and linker.
pub enum Compiler {
    /// `zig cc` in this directory.
    Zig(PathBuf),
    /// FreeBSD's own `cc` and `ld.lld`.
    Base,
}

impl Compiler {
    /// The compiler for everything on this machine that is not bound to a release line.
    pub fn at_hand(tools: &Path) -> Result<Self> {
        if ON_FREEBSD {
            return Ok(Self::Base);
        }
        Ok(Self::Zig(Freebsd::V15.zig().get(tools)?.join("ziglang")))
    }

    /// A call of the C compiler.
    pub fn cc(&self) -> Command {
        match self {
            Self::Zig(dir) => {
                let mut command = Command::new(dir.join("zig"));
                command.arg("cc");
                command
            }
            Self::Base => Command::new("cc"),
        }
    }

    /// A call of the linker.
    pub fn ld(&self) -> Command {
        match self {
            Self::Zig(dir) => {
                let mut command = Command::new(dir.join("zig"));
                command.arg("ld.lld");
                command
            }
            Self::Base => Command::new("ld.lld"),
        }
    }

    /// The flags that only this compiler needs.
    pub fn cflags(&self) -> &'static [&'static str] {
        match self {
            Self::Zig(_) => &ZIG_CFLAGS,
            Self::Base => &CLANG_CFLAGS,
        }
    }
}

/// A call of `ld.lld`.
pub fn linker(tools: &Path) -> Result<Command> {
    Ok(Compiler::at_hand(tools)?.ld())
}
