//! The C compiler and the linker, with the kernel headers to build against.

mod compiler;

use super::base::{Base, INSTALL};
use super::{Freebsd, ON_FREEBSD};
use crate::command;
use anyhow::{Context, Result, bail, ensure};
use compiler::Compiler;
pub use compiler::linker;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags for C code that runs in the kernel, for any compiler.
const KERNEL_CFLAGS: [&str; 19] = [
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-ffreestanding",
    "-fwrapv",
    "-fno-stack-protector",
    "-fno-pic",
    "-fno-common",
    "-fno-strict-aliasing",
    "-fno-asynchronous-unwind-tables",
    "-fno-omit-frame-pointer",
    "-ffunction-sections",
    "-O2",
    "-std=gnu17",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Werror",
    "-D_KERNEL",
    "-DKLD_MODULE",
];

/// Prefixes of kernel headers in an `#include`. They are of the kernel, of Concurrency Kit, and of
/// the kernel's options.
const SYSTEM_HEADERS: [&str; 6] = ["sys/", "machine/", "x86/", "vm/", "ck_", "opt_"];

/// A file that a compiler must be able to compile before anything else is tried.
const PROBE: &str = "\
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/lock.h>
#include <sys/sx.h>
void probe(struct sx *sx);
void probe(struct sx *sx) { sx_xlock(sx); sx_xunlock(sx); }
";

/// A C compiler and linker for FreeBSD kernel code, with the kernel headers to build against.
pub struct CTools {
    /// What the module is built for, as a directory name: 14, 15 or sysdir.
    pub name: String,
    compiler: Compiler,
    /// Flags that name the headers and the kernel's version.
    headers: Vec<String>,
    /// Directories of system headers that the compiler has built in, for another parser.
    own_headers: Vec<PathBuf>,
    /// The options of the kernel that the module is for, `opt_global.h`.
    pub options: Option<PathBuf>,
}

impl CTools {
    /// The tools for one release line, with the headers that come with the compiler. They are
    /// fetched if they are not there. On FreeBSD, only its own line is possible, with its own
    /// compiler and headers. Links to headers are made in `build`.
    pub fn release(tools: &Path, freebsd: Freebsd, build: &Path) -> Result<Self> {
        if ON_FREEBSD {
            return Self::base(freebsd, build);
        }
        let zig = freebsd.zig().get(tools)?.join("ziglang");
        let include = zig.join("lib/libc/include");
        let own = ["x86_64-freebsd-none", "x86-freebsd-none", "generic-freebsd"]
            .map(|dir| include.join(dir));
        let own_headers = [zig.join("lib/include")].into_iter().chain(own).collect();
        // The headers have no version, and the compiler predefines one that is too new for a .0
        // kernel. The headers for 14 are those of 14.1 or 14.2. The parts that the module uses are
        // the same in 14.0. Only the version of 14.0 is accepted by its kernel.
        let headers = vec![
            "-U__FreeBSD_version".into(),
            format!("-D__FreeBSD_version={}", freebsd.osreldate()),
        ];
        Ok(Self {
            name: freebsd.major().into(),
            compiler: Compiler::Zig(zig),
            headers,
            own_headers,
            options: None,
        })
    }

    fn base(freebsd: Freebsd, build: &Path) -> Result<Self> {
        let base = Base::find()?;
        let own = base.release_line()?;
        ensure!(
            own == freebsd,
            "the module can be built here for FreeBSD {}, or for others with SYSDIR=/path/to/sys",
            own.major()
        );
        let headers = header_flags(&base.headers, build)?;
        let name = freebsd.major().into();
        let c = Self {
            name,
            compiler: Compiler::Base,
            headers,
            own_headers: vec![],
            options: None,
        };
        c.probe(&base.headers, build)?;
        Ok(c)
    }

    /// The tools for the source tree whose `sys` directory is `sysdir`. With `kernbuilddir`, the
    /// module is built for the options (INVARIANTS, WITNESS, ...) of the kernel that was built
    /// there. Links to headers are made in `build`.
    pub fn source_tree(
        tools: &Path,
        sysdir: &Path,
        kernbuilddir: Option<&Path>,
        build: &Path,
    ) -> Result<Self> {
        if !sysdir.join("sys/param.h").is_file() {
            bail!(
                "{} is not the sys directory of a FreeBSD source tree: it has no sys/param.h",
                sysdir.display()
            );
        }
        let mut headers = Vec::new();
        let mut options = None;
        if let Some(dir) = kernbuilddir {
            let Ok(path) = fs::canonicalize(dir.join("opt_global.h")) else {
                bail!(
                    "no kernel was built in {}: it has no opt_global.h",
                    dir.display()
                );
            };
            headers.extend([
                "-DHAVE_KERNEL_OPTION_HEADERS".into(),
                "-include".into(),
                path.display().to_string(),
            ]);
            headers.push(format!("-I{}", fs::canonicalize(dir)?.display()));
            options = Some(path);
        }
        headers.extend(header_flags(sysdir, build)?);
        let compiler = Compiler::at_hand(tools)?;
        let c = Self {
            name: "sysdir".into(),
            compiler,
            headers,
            own_headers: Vec::new(),
            options,
        };
        c.probe(sysdir, build)?;
        Ok(c)
    }

    /// Compiles a few lines, so that a problem with the compiler or the headers is reported first.
    fn probe(&self, headers: &Path, build: &Path) -> Result<()> {
        let source = build.join("probe.c");
        fs::write(&source, PROBE).with_context(|| format!("cannot write {}", source.display()))?;
        let compiled = command::run(
            self.compile(build)
                .arg("-c")
                .arg(&source)
                .arg("-o")
                .arg(build.join("probe.o")),
        );
        compiled.with_context(|| {
            let install = if ON_FREEBSD {
                INSTALL
            } else {
                "they may be incomplete, or not of FreeBSD 12 to 16"
            };
            format!(
                "the C compiler cannot use the kernel headers in {}; {install}",
                headers.display()
            )
        })
    }

    /// The compiler as the value of an environment variable.
    pub fn cc(&self) -> String {
        let cc = self.compiler.cc();
        let words = [cc.get_program()].into_iter().chain(cc.get_args());
        words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// A call of the compiler with [`CTools::cflags`], with its cache under `cache`.
    pub fn compile(&self, cache: &Path) -> Command {
        let mut command = self.compiler.cc();
        command.args(self.cflags());
        self.environment(&mut command, cache);
        command
    }

    /// Sets the environment of `command` so that it can start the compiler, with its cache under
    /// `cache`.
    pub fn environment(&self, command: &mut Command, cache: &Path) {
        if let Compiler::Zig(_) = self.compiler {
            let cache = cache.join("zig-cache");
            command
                .env("ZIG_GLOBAL_CACHE_DIR", &cache)
                .env("ZIG_LOCAL_CACHE_DIR", &cache);
        }
    }

    /// The linker, `ld.lld`.
    pub fn ld(&self) -> Command {
        self.compiler.ld()
    }

    /// Flags for C code that runs in the kernel.
    pub fn cflags(&self) -> Vec<String> {
        let flags = self.compiler.cflags().iter().copied().chain(KERNEL_CFLAGS);
        flags
            .map(String::from)
            .chain(self.headers.clone())
            .collect()
    }

    /// Flags for another C parser, with the same target and headers.
    pub fn parser_flags(&self) -> Vec<String> {
        let mut flags = vec!["--target=x86_64-unknown-freebsd".into(), "-nostdinc".into()];
        for dir in &self.own_headers {
            flags.extend(["-isystem".into(), dir.display().to_string()]);
        }
        flags.extend([
            "-ffreestanding".into(),
            "-D_KERNEL".into(),
            "-DKLD_MODULE".into(),
        ]);
        flags.extend(self.headers.clone());
        flags
    }
}

/// Flags for the kernel headers in `dir`, the `sys` directory of a source tree or the installed
/// headers. A tree keeps the headers of each architecture where the compiler does not expect them.
/// Links to them are made in `build`.
fn header_flags(dir: &Path, build: &Path) -> Result<Vec<String>> {
    let dir = fs::canonicalize(dir)?;
    let links = build.join("include");
    fs::create_dir_all(&links)?;
    for (name, target) in [("machine", "amd64/include"), ("x86", "x86/include")] {
        let link = links.join(name);
        if link.symlink_metadata().is_ok() {
            fs::remove_file(&link)?;
        }
        let target = dir.join(target);
        if target.is_dir() {
            std::os::unix::fs::symlink(target, link)?;
        }
    }
    // The compiler may predefine its own version. sys/param.h has that of the headers.
    let mut flags = vec!["-nostdinc".into(), "-U__FreeBSD_version".into()];
    flags.extend(
        [&links, &dir, &dir.join("contrib/ck/include")].map(|dir| format!("-I{}", dir.display())),
    );
    // The warnings for the module's own code do not apply to the headers of the tree. With
    // -isystem, they would come after the FreeBSD headers of `zig cc`.
    flags.extend(SYSTEM_HEADERS.map(|prefix| format!("--system-header-prefix={prefix}")));
    Ok(flags)
}
