//! Finding, or fetching, the compilers that build a kernel module.

use crate::fetch::{self, Wheel};
use crate::sh;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The version of Debian's `rustc-web` and `rust-web-src`, a matched pair of compiler and library source.
const DEBIAN_RUST: &str = "1.96.0+dfsg1-1~deb12u2";

/// The oldest compiler whose `core` has what the driver uses (`Location::file_as_c_str`).
const MIN_RUST: (u32, u32) = (1, 92);

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

    /// The major version, as in directory names.
    pub fn major(self) -> &'static str {
        match self {
            Self::V14 => "14",
            Self::V15 => "15",
        }
    }

    /// `__FreeBSD_version` of the line's .0 release: a module that asks for it loads on every later kernel of the line.
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

/// Flags for C code that runs in the kernel, whatever the compiler.
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

/// `zig cc` keeps emitting SSE under `-mno-sse`: only its own `-mcpu` turns it off.
const ZIG_CFLAGS: [&str; 4] =
    ["-target", "x86_64-freebsd", "-mcpu=baseline-sse-sse2-mmx-x87+soft_float", "-fno-sanitize=all"];

/// A C compiler and linker for FreeBSD kernel code, with the kernel headers to build against.
pub struct CTools {
    /// What the module is built for, as a directory name: 14, 15 or sysdir.
    pub name: String,
    zig: PathBuf,
    /// Flags that name the headers and the kernel's version.
    headers: Vec<String>,
    /// Directories of system headers that `zig cc` knows by itself, for another parser.
    own_headers: Vec<PathBuf>,
    /// The options of the kernel that the module is for, `opt_global.h`.
    pub options: Option<PathBuf>,
}

impl CTools {
    /// The tools for one release line, with the headers that come with the compiler; fetched if they are not there.
    pub fn release(tools: &Path, freebsd: Freebsd) -> Result<Self> {
        let zig = freebsd.zig().get(tools)?.join("ziglang");
        let include = zig.join("lib/libc/include");
        let own_headers = ["x86_64-freebsd-none", "x86-freebsd-none", "generic-freebsd"].map(|dir| include.join(dir));
        // The headers carry no version, and the compiler predefines one that is too new for a .0 kernel.
        let headers = vec!["-U__FreeBSD_version".into(), format!("-D__FreeBSD_version={}", freebsd.osreldate())];
        Ok(Self { name: freebsd.major().into(), zig, headers, own_headers: own_headers.into(), options: None })
    }

    /// The tools for the source tree whose `sys` directory is `sysdir`. With `kernbuilddir`, where a kernel was built, the
    /// module is built for that kernel's options (INVARIANTS, WITNESS, ...). `build` is where links to headers go.
    pub fn source_tree(tools: &Path, sysdir: &Path, kernbuilddir: Option<&Path>, build: &Path) -> Result<Self> {
        if !sysdir.join("sys/param.h").is_file() {
            bail!("{} is not the sys directory of a FreeBSD source tree: it has no sys/param.h", sysdir.display());
        }
        let sysdir = fs::canonicalize(sysdir)?;
        let links = build.join("include");
        fs::create_dir_all(&links)?;
        for (name, target) in [("machine", "amd64/include"), ("x86", "x86/include")] {
            let link = links.join(name);
            if link.symlink_metadata().is_ok() {
                fs::remove_file(&link)?;
            }
            std::os::unix::fs::symlink(sysdir.join(target), link)?;
        }
        // The compiler would predefine a version of its own; sys/param.h has the tree's.
        let mut headers = vec!["-nostdinc".into(), "-U__FreeBSD_version".into()];
        let mut options = None;
        if let Some(dir) = kernbuilddir {
            let Ok(path) = fs::canonicalize(dir.join("opt_global.h")) else {
                bail!("{} is not where a kernel was built: it has no opt_global.h", dir.display());
            };
            headers.extend(["-DHAVE_KERNEL_OPTION_HEADERS".into(), "-include".into(), path.display().to_string()]);
            headers.push(format!("-I{}", fs::canonicalize(dir)?.display()));
            options = Some(path);
        }
        for dir in [&links, &sysdir, &sysdir.join("contrib/ck/include")] {
            headers.push(format!("-I{}", dir.display()));
        }
        let zig = Freebsd::V15.zig().get(tools)?.join("ziglang");
        Ok(Self { name: "sysdir".into(), zig, headers, own_headers: Vec::new(), options })
    }

    /// `zig cc` as the value of an environment variable.
    pub fn cc(&self) -> String {
        format!("{} cc", self.zig.join("zig").display())
    }

    /// A call of the compiler with [`CTools::cflags`], which keeps its cache under `cache`.
    pub fn compile(&self, cache: &Path) -> Command {
        let mut command = Command::new(self.zig.join("zig"));
        command.arg("cc").args(self.cflags());
        self.environment(&mut command, cache);
        command
    }

    /// Lets `command` start the compiler, which keeps its cache under `cache`.
    pub fn environment(&self, command: &mut Command, cache: &Path) {
        command
            .env("ZIG_GLOBAL_CACHE_DIR", cache.join("zig-cache"))
            .env("ZIG_LOCAL_CACHE_DIR", cache.join("zig-cache"));
    }

    /// The linker, `ld.lld`.
    pub fn ld(&self) -> Command {
        let mut command = Command::new(self.zig.join("zig"));
        command.arg("ld.lld");
        command
    }

    /// Flags for C code that runs in the kernel.
    pub fn cflags(&self) -> Vec<String> {
        ZIG_CFLAGS.into_iter().chain(KERNEL_CFLAGS).map(String::from).chain(self.headers.clone()).collect()
    }

    /// Flags for a C parser other than `zig cc`: the same target and headers.
    pub fn parser_flags(&self) -> Vec<String> {
        let mut flags = vec!["--target=x86_64-unknown-freebsd".into(), "-nostdinc".into()];
        for dir in [self.zig.join("lib/include")].iter().chain(&self.own_headers) {
            flags.extend(["-isystem".into(), dir.display().to_string()]);
        }
        flags.extend(["-ffreestanding".into(), "-D_KERNEL".into(), "-DKLD_MODULE".into()]);
        flags.extend(self.headers.clone());
        flags
    }
}

/// The shared library that bindgen parses with; fetched if it is not there.
pub fn libclang(tools: &Path) -> Result<PathBuf> {
    Ok(LIBCLANG.get(tools)?.join("clang/native/libclang.so"))
}

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
    /// The first compiler that has its source beside it: $RUSTC, the one in the path, the system's. Else, on Debian, a
    /// fetched pair.
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
        Self::with_source(fetched.join("usr/bin/rustc"), Some(fetched.join("usr/lib/x86_64-linux-gnu")))
    }

    fn from_debian(tools: &Path) -> Result<PathBuf> {
        let packages = |version: &str| ["rustc-web", "rust-web-src"].map(|name| format!("{name}{version}")).to_vec();
        let get =
            |version: &str| fetch::debian(tools, "rustc-web", &packages(version), "Rust compiler with its source");
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
        let mut found = Self { rustc, library: PathBuf::new(), ld_library_path, version: String::new() };
        let sysroot = sh::output(found.command().args(["--print", "sysroot"]))?;
        found.library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
        if !found.library.join("core/src/lib.rs").is_file() {
            bail!("{} has no source in {}", found.rustc.display(), found.library.display());
        }
        let version = sh::output(found.command().arg("-vV"))?;
        let release = version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default();
        let mut numbers = release.split('.').map(|part| part.parse().unwrap_or(0));
        if (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) < MIN_RUST {
            bail!("{} is {release}; at least {}.{} is needed", found.rustc.display(), MIN_RUST.0, MIN_RUST.1);
        }
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or_default();
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
