//! Build steps that make cannot say well. The Makefile calls them; `cargo run -p xtask -- --help` lists them.

mod bindings;
mod check;
mod core;
mod echoctl;
mod fetch;
mod fuzz;
mod kmod;
mod sh;
mod toolchain;
mod vm;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toolchain::Freebsd;

#[derive(Parser)]
#[command(about = "Build steps of echodev")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build echodev.ko
    Kmod {
        /// Only for this FreeBSD release line: 14 or 15
        #[arg(long, default_value = "", value_parser = release_lines, hide_default_value = true)]
        freebsd: Lines,
        /// Build against this `sys` directory of a FreeBSD 12 to 15 source tree instead
        #[arg(long, default_value = "", hide_default_value = true)]
        sysdir: OsString,
        /// Where the kernel that it is for was built from that tree: its options are used
        #[arg(long, default_value = "", hide_default_value = true)]
        kernbuilddir: OsString,
    },
    /// Read a module file as the FreeBSD loader and a careful reviewer would
    Check {
        /// The module
        #[arg(required = true)]
        modules: Vec<PathBuf>,
        /// The FreeBSD release line that it must ask for
        #[arg(long, value_enum)]
        freebsd: Option<Freebsd>,
    },
    /// Build the C modules that kldhost is tested with
    Testmods,
    /// Build echoctl for FreeBSD
    Echoctl {
        /// Only for this FreeBSD release line: 14 or 15
        #[arg(long, default_value = "", value_parser = release_lines, hide_default_value = true)]
        freebsd: Lines,
    },
    /// Run the fuzz targets, one after another
    Fuzz {
        /// How long each of them runs
        #[arg(long)]
        seconds: NonZeroU32,
    },
    /// Run the suite on a FreeBSD kernel, in a virtual machine
    VmTest(vm::Options),
    /// Generate the bindings of the kernel headers anew
    Bindings {
        /// Only compare with the vendored files; fail where they differ
        #[arg(long)]
        check: bool,
    },
}

/// The release lines to build for: what FREEBSD says, or all.
#[derive(Clone)]
struct Lines(Vec<Freebsd>);

fn release_lines(name: &str) -> Result<Lines, String> {
    match name {
        "" => Ok(Lines(Freebsd::ALL.into())),
        one => Freebsd::from_str(one, false).map(|line| Lines(vec![line])).map_err(|_| "14 or 15, please".into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask has a parent directory");
    let tools = root.join("target/tools");
    match Args::parse().command {
        Command::Kmod { freebsd, sysdir, kernbuilddir } if sysdir.is_empty() => {
            ensure!(kernbuilddir.is_empty(), "KERNBUILDDIR goes with SYSDIR, the tree that the kernel was built from");
            for line in freebsd.0 {
                println!("built {}", kmod::kmod(root, line)?.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Kmod { sysdir, kernbuilddir, .. } => {
            if !bindings::restarted(&tools)? {
                let kernbuilddir = (!kernbuilddir.is_empty()).then(|| Path::new(&kernbuilddir));
                let module = kmod::kmod_sysdir(root, Path::new(&sysdir), kernbuilddir)?;
                println!("built {}", module.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Check { modules, freebsd } => {
            for module in modules {
                let bytes = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
                let line = check::check(&bytes, freebsd.map(Freebsd::osreldate));
                println!("{}: {}", module.display(), line.with_context(|| module.display().to_string())?);
            }
            Ok(())
        }
        Command::Testmods => {
            for module in kmod::testmods(root, Freebsd::V15)? {
                println!("built {}", module.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Echoctl { freebsd } => {
            for line in freebsd.0 {
                println!("built {}", echoctl::echoctl(root, line)?.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Fuzz { seconds } => fuzz::fuzz(root, seconds),
        Command::VmTest(options) => vm::vm_test(root, &options),
        Command::Bindings { check } => {
            if !bindings::restarted(&tools)? {
                bindings::bindings(&tools, &root.join("freebsd-kernel-sys"), check)?;
            }
            Ok(())
        }
    }
}
