//! Starting a virtual machine whose console is a pipe.

mod bhyve;
mod qemu;

use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

pub use qemu::Accel;
use qemu::Qemu;

/// The kernel environment for the root file system and the serial console. The caller adds to it.
const ENVIRONMENT: [(&str, &str); 13] = [
    ("vfs.root.mountfrom", "cd9660:/dev/md0"),
    ("vfs.root.mountfrom.options", "ro"),
    ("init_path", "/sbin/init"),
    ("console", "comconsole"),
    ("boot_serial", "YES"),
    ("comconsole_speed", "115200"),
    ("hw.uart.console", "io:0x3f8,br:115200"),
    ("hint.uart.0.at", "isa"),
    ("hint.uart.0.port", "0x3F8"),
    ("hint.uart.0.flags", "0x10"),
    ("hint.uart.0.irq", "4"),
    ("kern.panic_reboot_wait_time", "0"),
    ("kern.hz", "1000"),
];

/// Memory of a machine.
const MEMORY: &str = "512M";

/// The files that a machine boots from.
pub struct Files<'f> {
    /// The kernel file, absolute.
    pub kernel: &'f Path,
    /// The root file system.
    pub image: &'f [u8],
    /// A module that the kernel starts with.
    pub module: Option<&'f Path>,
    /// Additions to the kernel environment. Those with an empty value are left out.
    pub env: &'f [(&'f str, &'f str)],
}

impl Files<'_> {
    fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self
            .env
            .iter()
            .copied()
            .filter(|(_, value)| !value.is_empty());
        ENVIRONMENT.into_iter().chain(own)
    }
}

/// A program that runs virtual machines.
pub enum Machine {
    /// QEMU, with our own loader.
    Qemu(Qemu),
    /// FreeBSD's bhyve.
    Bhyve,
}

impl Machine {
    /// Returns bhyve if it can be used and `accel` does not need QEMU. Otherwise returns QEMU,
    /// which is fetched if it is not there. QEMU boots `loader`.
    pub fn find(tools: &Path, accel: Accel, loader: PathBuf) -> Result<Self> {
        let any = accel != Accel::Counting;
        if any && bhyve::usable() {
            Ok(Self::Bhyve)
        } else {
            Ok(Self::Qemu(Qemu::find(tools, accel, loader)?))
        }
    }

    /// The program's version and how it runs machines, longer than with [`fmt::Display`].
    pub fn description(&self) -> Result<String> {
        match self {
            Self::Qemu(qemu) => qemu.description(),
            Self::Bhyve => Ok("bhyve".into()),
        }
    }

    /// Starts a machine with `cpus` processors. Its files are kept under `dir` while it runs.
    pub fn start(&self, dir: &Path, files: &Files<'_>, cpus: u32) -> Result<Running> {
        let name = format!("echodev-vm-{}", std::process::id());
        let dir = dir.join(&name);
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let cleaner = Cleaner(dir.clone());
        let (child, bhyve) = match self {
            Self::Qemu(qemu) => (qemu.start(&dir, files, cpus)?, None),
            Self::Bhyve => {
                let (child, machine) = bhyve::start(&dir, &name, files, cpus)?;
                (child, Some(machine))
            }
        };
        Ok(Running {
            child,
            _bhyve: bhyve,
            _files: cleaner,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qemu(qemu) => qemu.fmt(f),
            Self::Bhyve => f.write_str("bhyve"),
        }
    }
}

/// A machine that runs. When dropped, it is stopped and its files are removed.
pub struct Running {
    /// Its process. The console of the machine is the standard output.
    pub child: Child,
    _bhyve: Option<bhyve::Destroyer>,
    _files: Cleaner,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Removes a directory when dropped.
struct Cleaner(PathBuf);

impl Drop for Cleaner {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
