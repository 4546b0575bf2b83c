//! QEMU, with the loader of `tests/vm/loader`.

use super::{Files, MEMORY};
use crate::command;
use crate::fetch;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const PROGRAM: &str = "qemu-system-x86_64";

/// How QEMU runs a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Accel {
    /// KVM if it works here, else emulation
    Auto,
    /// Linux's KVM
    Kvm,
    /// Emulation
    Tcg,
    /// Emulation in which each instruction takes a nanosecond, whatever the load of this machine
    Counting,
}

impl Accel {
    /// QEMU's flags. `auto` has been resolved before.
    fn flags(self) -> &'static [&'static str] {
        // SMAP finds a kernel that accesses user memory directly.
        const EMULATED: &str = "qemu64,+rdrand,+smep,+smap";
        match self {
            Self::Auto | Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", EMULATED],
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Self::Counting => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=0,sleep=off",
                "-cpu",
                EMULATED,
            ],
        }
    }
}

/// QEMU, ready to start.
pub struct Qemu {
    program: PathBuf,
    /// The directory of its shared libraries, if it is not one of the system's.
    libraries: Option<PathBuf>,
    loader: PathBuf,
    accel: Accel,
}

impl Qemu {
    /// QEMU in the path, or else a fetched QEMU of Debian.
    pub fn find(tools: &Path, accel: Accel, loader: PathBuf) -> Result<Self> {
        let mut qemu = Self {
            program: PROGRAM.into(),
            libraries: None,
            loader,
            accel,
        };
        if command::output(Command::new(PROGRAM).arg("--version")).is_err() {
            if command::output(Command::new("apt-get").arg("--version")).is_err() {
                bail!(
                    "{PROGRAM} is needed to run a virtual machine; on FreeBSD, run `pkg install qemu` \
                     or `kldload vmm`"
                );
            }
            let packages = ["qemu-system-x86".to_owned()];
            let title = "qemu-system-x86 (Debian): virtual machines";
            let dir = fetch::once(&tools.join("qemu"), title, |dir| {
                fetch::unpack_debian(dir, &packages).or_else(|_| {
                    fetch::update_debian()?;
                    fetch::unpack_debian(dir, &packages)
                })
            })?;
            qemu.program = dir.join("usr/bin").join(PROGRAM);
            qemu.libraries = Some(dir.join("usr/lib/x86_64-linux-gnu"));
        }
        if accel == Accel::Auto {
            qemu.accel = if qemu.kvm_works() {
                Accel::Kvm
            } else {
                Accel::Tcg
            };
        }
        Ok(qemu)
    }

    /// Whether a machine runs with KVM. It is started without a kernel, and the loader has to
    /// report that.
    fn kvm_works(&self) -> bool {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let virtualizes = flags
            .split_whitespace()
            .any(|flag| flag == "vmx" || flag == "svm");
        if !virtualizes
            || fs::File::options()
                .read(true)
                .write(true)
                .open("/dev/kvm")
                .is_err()
        {
            return false;
        }
        let Ok(mut child) = self.command(Accel::Kvm, 1).spawn() else {
            return false;
        };
        let (sender, first_line) = mpsc::channel();
        let console = child.stdout.take();
        thread::spawn(move || {
            let lines = console
                .into_iter()
                .flat_map(|console| BufReader::new(console).lines());
            // The receiver may have given up.
            let _ = sender.send(
                lines
                    .map_while(Result::ok)
                    .any(|line| line.contains("loader: ")),
            );
        });
        let works = first_line
            .recv_timeout(Duration::from_secs(10))
            .unwrap_or(false);
        // It halts, and does not end by itself.
        let _ = child.kill();
        let _ = child.wait();
        works
    }

    /// Starts a machine whose files are in `dir`.
    pub fn start(&self, dir: &Path, files: &Files<'_>, cpus: u32) -> Result<Child> {
        // The loader expects these names. QEMU separates them by commas, which a path may contain.
        symlink(files.kernel, dir.join("kernel"))?;
        fs::write(dir.join("mfs_root"), files.image)?;
        let env: String = files
            .environment()
            .map(|(name, value)| format!("{name}={value}\n"))
            .collect();
        fs::write(dir.join("kernel.env"), env)?;
        let mut command = self.command(self.accel, cpus);
        let mut names = "kernel,kernel.env,mfs_root".to_owned();
        if let Some(module) = files.module {
            fs::copy(module, dir.join("echodev.ko"))?;
            names.push_str(",echodev.ko");
        }
        command.args(["-initrd", &names]).current_dir(dir);
        command
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))
    }

    /// Its version, and the flags that determine the speed of a machine.
    pub fn description(&self) -> Result<String> {
        let version = command::output(self.program().arg("--version"))?;
        let version = version.lines().next().unwrap_or_default();
        Ok(format!("{version}, `{}`", self.accel.flags().join(" ")))
    }

    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    fn command(&self, accel: Accel, cpus: u32) -> Command {
        let mut command = self.program();
        command
            .args(accel.flags())
            .args(["-m", MEMORY, "-smp", &cpus.to_string()])
            .args([
                "-nodefaults",
                "-display",
                "none",
                "-serial",
                "stdio",
                "-no-reboot",
            ])
            .arg("-kernel")
            .arg(&self.loader)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }
}

impl fmt::Display for Qemu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.accel {
            Accel::Kvm => "QEMU, KVM",
            Accel::Auto | Accel::Tcg => "QEMU, emulated",
            Accel::Counting => "QEMU, emulated, counting instructions",
        })
    }
}
