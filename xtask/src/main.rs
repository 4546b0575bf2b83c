//! Build steps that make cannot say well. The Makefile calls them; `cargo run -p xtask -- --help` lists them.

mod bindings;
mod core;
mod fetch;
mod kmod;
mod sh;
mod toolchain;

use anyhow::Result;
use clap::{Parser, Subcommand};
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
        /// Only for this FreeBSD release line
        #[arg(long, value_enum)]
        freebsd: Option<Freebsd>,
        /// Build against this `sys` directory of a FreeBSD 12 to 15 source tree instead
        #[arg(long, conflicts_with = "freebsd")]
        sysdir: Option<PathBuf>,
        /// Where the kernel that it is for was built from that tree: its options are used
        #[arg(long, requires = "sysdir")]
        kernbuilddir: Option<PathBuf>,
    },
    /// Build the C modules that kldhost is tested with
    Testmods,
    /// Generate the bindings of the kernel headers anew
    Bindings {
        /// Only compare with the vendored files; fail where they differ
        #[arg(long)]
        check: bool,
    },
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
        Command::Kmod { sysdir: Some(sysdir), kernbuilddir, .. } => {
            if !bindings::restarted(&tools)? {
                let module = kmod::kmod_sysdir(root, &sysdir, kernbuilddir.as_deref())?;
                println!("built {}", module.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Kmod { freebsd, .. } => {
            for line in freebsd.map_or(Freebsd::ALL.to_vec(), |one| vec![one]) {
                println!("built {}", kmod::kmod(root, line)?.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Testmods => {
            for module in kmod::testmods(root, Freebsd::V15)? {
                println!("built {}", module.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Bindings { check } => {
            if !bindings::restarted(&tools)? {
                bindings::bindings(&tools, &root.join("freebsd-kernel-sys"), check)?;
            }
            Ok(())
        }
    }
}
