//! bhyve(8), with FreeBSD's own loader.
//!
//! Untested: this is written from the manual pages.

use super::{Files, MEMORY};
use crate::command;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The commands for the loader, in place of FreeBSD's own script, which shows a menu.
const LOAD: [&str; 2] = [
    "load /boot/kernel/kernel",
    "load -t mfs_root /boot/mfs_root",
];
const LOAD_MODULE: &str = "load /boot/modules/echodev.ko";
const BOOT: &str = "boot";

/// Whether this is FreeBSD with vmm(4) loaded.
pub fn usable() -> bool {
    cfg!(target_os = "freebsd")
        && ["/dev/vmmctl", "/dev/vmm"]
            .iter()
            .any(|path| Path::new(path).exists())
}

/// Starts a machine of this name, whose files are in `dir`.
pub fn start(dir: &Path, name: &str, files: &Files<'_>, cpus: u32) -> Result<(Child, Destroyer)> {
    fs::create_dir_all(dir.join("boot/kernel"))?;
    fs::create_dir_all(dir.join("boot/lua"))?;
    symlink(files.kernel, dir.join("boot/kernel/kernel"))?;
    fs::write(dir.join("boot/mfs_root"), files.image)?;
    let mut commands = LOAD.to_vec();
    if let Some(module) = files.module {
        fs::create_dir_all(dir.join("boot/modules"))?;
        fs::copy(module, dir.join("boot/modules/echodev.ko"))?;
        commands.push(LOAD_MODULE);
    }
    commands.push(BOOT);
    let script: String = commands
        .iter()
        .map(|command| format!("loader.perform({command:?})\n"))
        .collect();
    fs::write(dir.join("boot/lua/loader.lua"), script)?;

    let destroyer = Destroyer(name.to_owned());
    let mut load = Command::new("bhyveload");
    load.args(["-m", MEMORY, "-c", "stdio", "-h"]).arg(dir);
    for (name, value) in files.environment() {
        load.arg("-e").arg(format!("{name}={value}"));
    }
    command::run(load.arg(name)).context("bhyveload has to be run by root, with vmm(4) loaded")?;
    let child = Command::new("bhyve")
        .args(["-A", "-H", "-P", "-c", &cpus.to_string(), "-m", MEMORY])
        .args(["-s", "0,hostbridge", "-s", "31,lpc", "-l", "com1,stdio"])
        .arg(name)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start bhyve")?;
    Ok((child, destroyer))
}

/// Frees a machine's memory when dropped.
pub struct Destroyer(String);

impl Drop for Destroyer {
    fn drop(&mut self) {
        // The machine may never have been made.
        let _ = Command::new("bhyvectl")
            .arg("--destroy")
            .arg(format!("--vm={}", self.0))
            .output();
    }
}
