//! FreeBSD's base system as the toolchain, with its `cc`, its `ld.lld` and the installed kernel
//! headers.

use super::Freebsd;
use crate::command;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directories that may have kernel headers. They are the source of the system, or else the
/// headers that programs are compiled with, which are enough for a character device.
const HEADERS: [&str; 2] = ["/usr/src/sys", "/usr/include"];

/// What to install if something is missing.
pub const INSTALL: &str = "\
compiler, linker and headers belong to FreeBSD's base system. \
Install them with `pkg install FreeBSD-set-devel` if it is made of packages, \
or else from base.txz of the release";

/// The kernel headers of this system.
pub struct Base {
    /// The directory that has `sys/param.h`.
    pub headers: PathBuf,
    osreldate: u32,
}

impl Base {
    /// Finds the headers, after a check that the tools are there and work.
    pub fn find() -> Result<Self> {
        tools_are_there()?;
        let headers = HEADERS
            .map(PathBuf::from)
            .into_iter()
            .find(|dir| dir.join("sys/param.h").is_file());
        let headers = headers.with_context(|| {
            format!(
                "there are no kernel headers in {} or in {}. {INSTALL}",
                HEADERS[0], HEADERS[1]
            )
        })?;
        let osreldate = version(&headers)?;
        Ok(Self { headers, osreldate })
    }

    /// The release line of the headers.
    pub fn release_line(&self) -> Result<Freebsd> {
        Freebsd::of(self.osreldate).with_context(|| {
            let headers = self.headers.display();
            format!(
                "the headers in {headers} have __FreeBSD_version {}, and there are bindings only \
                 for FreeBSD 14 and 15. For other versions, generate them from the headers. \
                 Run `pkg install llvm` and `make kmod SYSDIR={headers}`, which builds \
                 target/kmod/sysdir/echodev.ko for kldload(8). \
                 `cargo build --release --package echoctl` builds target/release/echoctl",
                self.osreldate
            )
        })
    }
}

/// `libclang.so` of the newest LLVM package.
pub fn libclang() -> Option<PathBuf> {
    let packages = fs::read_dir("/usr/local")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let number = entry
                .file_name()
                .to_str()?
                .strip_prefix("llvm")?
                .parse::<u32>()
                .ok()?;
            Some((number, entry.path().join("lib/libclang.so")))
        });
    packages
        .filter(|(_, library)| library.is_file())
        .max()
        .map(|(_, library)| library)
}

fn tools_are_there() -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the module can be built only for amd64, and this is another architecture"
    );
    for (tool, argument) in [
        ("cc", "--version"),
        ("ld.lld", "--version"),
        ("ar", "--version"),
        ("objcopy", "--version"),
    ] {
        let found = command::output(Command::new(tool).arg(argument));
        found.with_context(|| format!("{tool} is needed to build a kernel module. {INSTALL}"))?;
    }
    Ok(())
}

/// The `__FreeBSD_version` that `sys/param.h` defines.
fn version(headers: &Path) -> Result<u32> {
    let param = headers.join("sys/param.h");
    let text =
        fs::read_to_string(&param).with_context(|| format!("cannot read {}", param.display()))?;
    defined_version(&text)
        .with_context(|| format!("{} does not define __FreeBSD_version", param.display()))
}

fn defined_version(text: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "#define" && words.next()? == "__FreeBSD_version")
            .then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::defined_version;

    #[test]
    fn the_version_is_read_from_the_header() {
        let text = "#undef __FreeBSD_version\n#define __FreeBSD_version 1403000\t/* Master */\n";
        assert_eq!(defined_version(text), Some(1_403_000));
        assert_eq!(defined_version("#define __FreeBSD_version"), None);
        assert_eq!(defined_version("/* __FreeBSD_version 1 */"), None);
    }
}
