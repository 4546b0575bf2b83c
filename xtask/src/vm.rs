//! The suite on a FreeBSD kernel, in a virtual machine.
//!
//! The machine gets a kernel file and a small root file system that is made here ([`iso`]). The
//! file system has the modules and process 1, which is the guest program of `tests/vm`. QEMU boots
//! the machine through the loader of `tests/vm`, bhyve through FreeBSD's own ([`boot`]). The guest
//! writes TAP to the console, which is judged here ([`judge`]).

mod bad_driver;
pub mod bench;
mod boot;
mod build;
mod iso;
mod judge;
mod kernel;
mod modules;
pub mod native;
mod preload;
mod watch;

use crate::module::bindings;
use crate::module::kmod;
use crate::module::toolchain::CTools;
use anyhow::{Context, Result, bail, ensure};
use boot::{Accel, Machine};
use kernel::Kernel;
use modules::CModules;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NO_KERNEL: &str = "\
skipped: KERNEL is not set. It is /boot/kernel/kernel of FreeBSD/amd64, from an installed system
  or from a release's kernel.txz:  tar xf kernel.txz ./boot/kernel/kernel";

/// Processors of the machine by default.
const CPUS: u32 = 2;

/// Seconds until a machine is stopped by default.
const TIMEOUT: u64 = 3600;

/// The kernel to boot, and the module for it. An empty argument counts as not given.
#[derive(clap::Args, Default)]
pub struct Target {
    /// The kernel to boot, the ELF file of FreeBSD/amd64 12 to 15
    #[arg(long, default_value = "", hide_default_value = true)]
    kernel: OsString,
    /// The module to test [default: the one that is built for the kernel's release line]
    #[arg(long, default_value = "", hide_default_value = true)]
    module: OsString,
    /// The `sys` directory of the kernel's source tree, to build the module from
    #[arg(long, default_value = "", hide_default_value = true)]
    sysdir: OsString,
    /// The directory where the kernel was built from that tree. Its options are used
    #[arg(long, default_value = "", hide_default_value = true)]
    kernbuilddir: OsString,
}

/// The arguments of `vm-test`.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// Run only the cases with this in their name, and no plain C driver
    #[arg(long, default_value = "", hide_default_value = true)]
    cases: String,
    /// How QEMU runs the machine
    #[arg(long, value_enum, default_value = "auto")]
    accel: Accel,
    /// Processors of the machine
    #[arg(long, default_value_t = CPUS)]
    cpus: u32,
    /// Seconds until a machine that has not finished is stopped
    #[arg(long, default_value_t = TIMEOUT)]
    timeout: u64,
}

impl Options {
    /// All of the suite on this kernel.
    pub fn for_kernel(kernel: OsString) -> Self {
        Self {
            target: Target {
                kernel,
                ..Target::default()
            },
            cases: String::new(),
            accel: Accel::Auto,
            cpus: CPUS,
            timeout: TIMEOUT,
        }
    }
}

/// The parts that all machines share.
struct Parts {
    /// The directory for logs.
    dir: PathBuf,
    kernel: Kernel,
    init: PathBuf,
    machine: Machine,
    /// The C modules for the suite, if they could be built for the kernel.
    c: Option<CModules>,
    cpus: u32,
    timeout: Duration,
}

/// One run of a machine.
struct Boot<'b> {
    /// The log's name.
    name: &'b str,
    /// The modules in its root file system, in the order of their names.
    modules: &'b [(&'static str, PathBuf)],
    /// A module that the kernel starts with.
    preload: Option<&'b Path>,
    /// Additions to the kernel environment.
    env: &'b [(&'b str, &'b str)],
    /// Whether the TAP is printed as it arrives.
    print: bool,
}

/// Boots the kernel, and judges the suite's output.
pub fn vm_test(root: &Path, options: &Options) -> Result<()> {
    let tools = root.join("target/tools");
    let Some(kernel) = options.target.kernel(&tools)? else {
        return Ok(());
    };
    let c = options.target.c_tools(root, &kernel)?;
    let module = options.target.module(root, &kernel)?;
    let c = c.map(|c| CModules::build(root, &c)).transpose()?;
    let built = build::build(root)?;
    let machine = Machine::find(&tools, options.accel, built.loader)?;
    println!("booting {} with {machine}", kernel.title());
    let parts = Parts {
        dir: root.join("target/vm"),
        kernel,
        init: built.init,
        machine,
        c,
        cpus: options.cpus,
        timeout: Duration::from_secs(options.timeout),
    };
    suite(&parts, &module, &options.cases)?;
    if preload::CASE.contains(&options.cases) {
        preload::show(&parts, &module)?;
    }
    if options.cases.is_empty() {
        bad_driver::show(&parts)
    } else {
        Ok(())
    }
}

impl Target {
    /// The kernel. It is `None`, with a message, if none is given. It is also `None` if this
    /// program was started again and has done its work.
    fn kernel(&self, tools: &Path) -> Result<Option<Kernel>> {
        if self.kernel.is_empty() {
            println!("{NO_KERNEL}");
            return Ok(None);
        }
        let kernel = Kernel::read(Path::new(&self.kernel))?;
        let restarted = !self.sysdir.is_empty() && bindings::restarted(tools)?;
        Ok((!restarted).then_some(kernel))
    }

    fn kernbuilddir(&self) -> Option<&Path> {
        (!self.kernbuilddir.is_empty()).then(|| Path::new(&self.kernbuilddir))
    }

    /// The compiler for C modules of the kernel, or `None` if there are no headers for it.
    fn c_tools(&self, root: &Path, kernel: &Kernel) -> Result<Option<CTools>> {
        let tools = root.join("target/tools");
        if !self.sysdir.is_empty() {
            let build = kmod::build_dir(root, "sysdir")?;
            return CTools::source_tree(
                &tools,
                Path::new(&self.sysdir),
                self.kernbuilddir(),
                &build,
            )
            .map(Some);
        }
        let Some(line) = kernel.release_line() else {
            return Ok(None);
        };
        CTools::release(&tools, line, &kmod::build_dir(root, line.major())?).map(Some)
    }

    fn module(&self, root: &Path, kernel: &Kernel) -> Result<PathBuf> {
        if !self.module.is_empty() {
            let module = PathBuf::from(&self.module);
            ensure!(module.is_file(), "there is no file {}", module.display());
            return Ok(module);
        }
        if !self.sysdir.is_empty() {
            return kmod::kmod_sysdir(root, Path::new(&self.sysdir), self.kernbuilddir());
        }
        let Some(line) = kernel.release_line() else {
            bail!(
                "the kernel is {}, for which no module is built automatically: build one with \
                 `make kmod SYSDIR=...` from the kernel's source tree, \
                 and pass it as MODULE=... (--module)",
                kernel.title()
            );
        };
        kmod::kmod(root, line)
    }
}

/// Runs the suite. It is an error if anything is not as it should be.
fn suite(parts: &Parts, module: &Path, cases: &str) -> Result<()> {
    let env = [("echodev.cases", cases)];
    let modules = modules::for_suite(module, parts.c.as_ref());
    let run = parts.run(&Boot {
        name: "suite",
        modules: &modules,
        preload: None,
        env: &env,
        print: true,
    })?;
    print!("{}", run.judge.report());
    println!(
        "vm-test: {} on {}, {} s; console: {}",
        run.judge.summary(),
        parts.kernel.title(),
        run.seconds,
        run.log.display()
    );
    ensure!(
        run.judge.passed(),
        "the suite failed on {}",
        parts.kernel.title()
    );
    Ok(())
}

/// A machine that has run.
struct Run {
    judge: judge::Judge,
    seconds: u64,
    log: PathBuf,
}

impl Parts {
    /// Boots a machine and watches it until it ends.
    fn run(&self, boot: &Boot<'_>) -> Result<Run> {
        let read = |(name, path): &(&'static str, PathBuf)| {
            let bytes =
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            anyhow::Ok((*name, bytes))
        };
        let modules = boot.modules.iter().map(read).collect::<Result<_>>()?;
        let image = iso::image(&[
            iso::Directory {
                name: "dev",
                files: vec![],
            },
            iso::Directory {
                name: "modules",
                files: modules,
            },
            iso::Directory {
                name: "sbin",
                files: vec![("init", fs::read(&self.init)?)],
            },
            iso::Directory {
                name: "tmp",
                files: vec![],
            },
        ])?;
        let files = boot::Files {
            kernel: &self.kernel.path,
            image: &image,
            module: boot.preload,
            env: boot.env,
        };
        let running = self.machine.start(&self.dir, &files, self.cpus)?;
        let log = self
            .dir
            .join(format!("{}-{}.log", boot.name, self.kernel.name()));
        let limits = watch::Limits {
            total: self.timeout,
            ..watch::Limits::default()
        };
        let (judge, took) = watch::watch(running, &log, &limits, boot.print)?;
        Ok(Run {
            judge,
            seconds: took.as_secs(),
            log,
        })
    }
}
