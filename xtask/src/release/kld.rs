//! Loading, unloading and installing the module on this FreeBSD system.

use crate::command;
use crate::module::kmod;
use crate::module::toolchain::{Freebsd, ON_FREEBSD};
use crate::release::echoctl;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directories for installed files.
#[derive(clap::Args)]
pub struct Places {
    /// A prefix for every path
    #[arg(long, default_value = "", hide_default_value = true)]
    destdir: String,
    /// The directory of kernel modules
    #[arg(long, default_value = "/boot/modules")]
    kmoddir: String,
    /// The directory whose subdirectory bin gets the utility
    #[arg(long, default_value = "/usr/local")]
    prefix: String,
}

/// Fails on other systems than FreeBSD. `instead` is the alternative there.
pub fn only_on_freebsd(what: &str, instead: &str) -> Result<()> {
    ensure!(
        ON_FREEBSD,
        "`make {what}` is for FreeBSD, whose kernel loads the module; here, {instead}"
    );
    Ok(())
}

/// Fails on FreeBSD, where nothing is hosted. `instead` is the alternative there.
pub fn only_on_linux(what: &str, instead: &str) -> Result<()> {
    ensure!(
        !ON_FREEBSD,
        "`make {what}` is for Linux, where the module is hosted in a process; here, {instead}"
    );
    Ok(())
}

/// The release line of this system.
fn own() -> Result<Freebsd> {
    Freebsd::at_hand()?
        .pop()
        .context("no release line to build for")
}

/// Builds the module, and loads it.
pub fn load(root: &Path) -> Result<()> {
    only_on_freebsd("load", "`make mount` hosts the module in a process")?;
    let module = kmod::kmod(root, own()?)?;
    command::run(Command::new("kldload").arg(&module)).with_context(|| {
        let module = module.display();
        format!(
            "cannot load {module}. Only root can load it. `kldstat -m echodev` shows whether it is \
             loaded already, dmesg(8) why it cannot be"
        )
    })?;
    println!(
        "loaded {}, which has made /dev/echo",
        module.strip_prefix(root)?.display()
    );
    Ok(())
}

/// Unloads it.
pub fn unload() -> Result<()> {
    only_on_freebsd("unload", "Ctrl-C ends `make mount`")?;
    command::run(Command::new("kldunload").arg("echodev"))
}

/// Builds module and utility, and copies them to the directories of the system.
pub fn install(root: &Path, places: &Places) -> Result<()> {
    only_on_freebsd(
        "install",
        "copy target/kmod/*/echodev.ko and target/echoctl/*/echoctl to a FreeBSD machine",
    )?;
    let line = own()?;
    let modules = PathBuf::from(format!("{}{}", places.destdir, places.kmoddir));
    copy(&kmod::kmod(root, line)?, &modules, "echodev.ko", 0o555)?;
    // So that loader(8) and kldload(8) find it by name.
    command::run(Command::new("kldxref").arg(&modules))?;
    let programs = PathBuf::from(format!("{}{}/bin", places.destdir, places.prefix));
    copy(&echoctl::echoctl(root, line)?, &programs, "echoctl", 0o555)
}

/// Copies a file. A process that has the old one open keeps it.
fn copy(file: &Path, dir: &Path, name: &str, mode: u32) -> Result<()> {
    let installed = dir.join(name);
    let new = dir.join(format!(".{name}.new"));
    let copied = fs::create_dir_all(dir)
        .and_then(|()| fs::copy(file, &new))
        .and_then(|_| fs::set_permissions(&new, fs::Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&new, &installed));
    copied.with_context(|| format!("cannot write {}", installed.display()))?;
    println!("installed {}", installed.display());
    Ok(())
}
