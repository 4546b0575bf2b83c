//! Build steps that are awkward in make. The Makefile calls them. `cargo run -p xtask -- --help`
//! lists them.

mod command;
#[cfg(test)]
mod documents;
mod fetch;
mod module;
mod release;
mod tests;
mod vm;
mod walkthrough;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use module::toolchain::Freebsd;
use module::{bindings, check, kmod};
use release::{echoctl, kld};
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tests::{bench, demo, fuzz, mutants, test, test_long};

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
        #[arg(long, default_value = "", value_parser = release_line, hide_default_value = true)]
        freebsd: Line,
        /// Build against this `sys` directory of a FreeBSD 12 to 16 source tree instead
        #[arg(long, default_value = "", hide_default_value = true)]
        sysdir: OsString,
        /// The directory where the kernel was built from that tree. Its options are used
        #[arg(long, default_value = "", hide_default_value = true)]
        kernbuilddir: OsString,
    },
    /// Check a module file as the FreeBSD loader and a careful reviewer would
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
        #[arg(long, default_value = "", value_parser = release_line, hide_default_value = true)]
        freebsd: Line,
    },
    /// Build all, and replay the sessions of the article, on the hosted module or, on FreeBSD, on
    /// the loaded one
    Demo,
    /// Build all, and leave the hosted device mounted until Ctrl-C
    Mount,
    /// Build all, and run every test. On FreeBSD, also run the suite on the loaded module
    Test(test::Options),
    /// Explore many schedules of the hosted module, and many sequences of calls on it and its model
    TestLong(test_long::Options),
    /// Measure the hosted driver against a plain C driver and memcpy, and write docs/benchmarks.md.
    /// On FreeBSD, measure the driver in the kernel
    Bench {
        /// About how long all measurements take together
        #[arg(long)]
        seconds: NonZeroU32,
    },
    /// Build the module with deliberate bugs, one at a time, and report which test finds each
    Mutants(mutants::Options),
    /// Build echodev.ko and load it into the running FreeBSD kernel
    Load,
    /// Unload it
    Unload,
    /// Build echodev.ko and echoctl, and install them on this FreeBSD system
    Install(kld::Places),
    /// Run the fuzz targets, one after another
    Fuzz {
        /// How long each of them runs
        #[arg(long)]
        seconds: NonZeroU32,
    },
    /// Run the suite on a FreeBSD kernel, in a virtual machine
    VmTest(vm::Options),
    /// Measure the module, a C driver and pipe(2) on a FreeBSD kernel, in a virtual machine that
    /// counts instructions
    VmBench(vm::bench::Options),
    /// Generate the bindings of the kernel headers anew
    Bindings {
        /// Only compare with the vendored files, and fail if they differ
        #[arg(long)]
        check: bool,
    },
    /// Extract the quotes of docs/walkthrough.md anew from the sources
    Walkthrough,
}

/// The release line to build for, the value of FREEBSD.
#[derive(Clone)]
struct Line(Option<Freebsd>);

fn release_line(name: &str) -> Result<Line, String> {
    match name {
        "" => Ok(Line(None)),
        one => Freebsd::from_str(one, false)
            .map(|line| Line(Some(line)))
            .map_err(|_| "the release line is 14 or 15".into()),
    }
}

impl Line {
    fn lines(&self) -> Result<Vec<Freebsd>> {
        self.0.map_or_else(Freebsd::at_hand, |line| Ok(vec![line]))
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

/// The directory of the project.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask has a parent directory")
}

fn run() -> Result<()> {
    let root = root();
    let tools = root.join("target/tools");
    match Args::parse().command {
        Command::Kmod {
            freebsd,
            sysdir,
            kernbuilddir,
        } if sysdir.is_empty() => {
            ensure!(
                kernbuilddir.is_empty(),
                "KERNBUILDDIR goes with SYSDIR, the tree that the kernel was built from"
            );
            for line in freebsd.lines()? {
                println!(
                    "built {}",
                    kmod::kmod(root, line)?.strip_prefix(root)?.display()
                );
            }
            Ok(())
        }
        Command::Kmod {
            sysdir,
            kernbuilddir,
            ..
        } => {
            if !bindings::restarted(&tools)? {
                let kernbuilddir = (!kernbuilddir.is_empty()).then(|| Path::new(&kernbuilddir));
                let module = kmod::kmod_sysdir(root, Path::new(&sysdir), kernbuilddir)?;
                println!("built {}", module.strip_prefix(root)?.display());
            }
            Ok(())
        }
        Command::Check { modules, freebsd } => modules
            .iter()
            .try_for_each(|module| check::print(module, freebsd)),
        Command::Testmods => {
            for line in Freebsd::ALL {
                for module in kmod::testmods(root, line)? {
                    println!("built {}", module.strip_prefix(root)?.display());
                }
            }
            Ok(())
        }
        Command::Echoctl { freebsd } => {
            for line in freebsd.lines()? {
                println!(
                    "built {}",
                    echoctl::echoctl(root, line)?.strip_prefix(root)?.display()
                );
            }
            Ok(())
        }
        Command::Demo => demo::demo(root),
        Command::Mount => demo::mount(root),
        Command::Test(options) => test::test(root, &options),
        Command::TestLong(options) => test_long::test_long(root, &options),
        Command::Bench { seconds } => bench::bench(root, seconds),
        Command::Mutants(options) => mutants::mutants(root, &options),
        Command::Load => kld::load(root),
        Command::Unload => kld::unload(),
        Command::Install(places) => kld::install(root, &places),
        Command::Fuzz { seconds } => fuzz::fuzz(root, seconds),
        Command::VmTest(options) => vm::vm_test(root, &options),
        Command::VmBench(options) => vm::bench::vm_bench(root, &options),
        Command::Bindings { check } => {
            if !bindings::restarted(&tools)? {
                bindings::bindings(&tools, &root.join("freebsd-kernel-sys"), check)?;
            }
            Ok(())
        }
        Command::Walkthrough => walkthrough::walkthrough(root),
    }
}
