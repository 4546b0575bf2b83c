//! The version of a kernel file.

use crate::module::toolchain::Freebsd;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection, ObjectSymbol};
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel file of FreeBSD/amd64.
pub struct Kernel {
    /// The absolute path.
    pub path: PathBuf,
    osreldate: u32,
    release: String,
}

impl Kernel {
    /// Reads the file's version.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes =
            fs::read(path).with_context(|| format!("cannot read the kernel {}", path.display()))?;
        let (osreldate, release) = version(&bytes).with_context(|| {
            format!(
                "{} is not a kernel of FreeBSD/amd64, an ELF file",
                path.display()
            )
        })?;
        let major = osreldate / 100_000;
        ensure!(
            (12..=15).contains(&major),
            "{} is of FreeBSD {release}; 12 to 15 can be booted",
            path.display()
        );
        Ok(Self {
            path: fs::canonicalize(path)?,
            osreldate,
            release,
        })
    }

    /// Its release and file name, for messages.
    pub fn title(&self) -> String {
        format!(
            "FreeBSD {} ({})",
            self.release,
            self.path.file_name().unwrap_or_default().display()
        )
    }

    /// The same as a part of a file name. The directory distinguishes kernels of one release.
    pub fn name(&self) -> String {
        let directory = self
            .path
            .parent()
            .and_then(Path::file_name)
            .unwrap_or_default();
        let file = self.path.file_name().unwrap_or_default();
        format!(
            "{}-{}-{}",
            self.release,
            directory.display(),
            file.display()
        )
    }

    /// The release line, if modules can be built for it without SYSDIR.
    pub fn release_line(&self) -> Option<Freebsd> {
        Freebsd::of(self.osreldate)
    }
}

/// The variables `osreldate` and `osrelease` of a kernel file.
fn version(bytes: &[u8]) -> Result<(u32, String)> {
    let file = object::File::parse(bytes)?;
    ensure!(
        file.architecture() == object::Architecture::X86_64,
        "it is for another architecture"
    );
    let number = variable(&file, "osreldate")?;
    let number = u32::from_le_bytes(*number.first_chunk().context("osreldate is too short")?);
    let text = variable(&file, "osrelease")?;
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok((number, String::from_utf8_lossy(text).into_owned()))
}

/// The bytes from the beginning of a variable to the end of its section.
fn variable<'f>(file: &object::File<'f>, name: &str) -> Result<&'f [u8]> {
    let is_it =
        |symbol: &object::Symbol<'_, '_>| symbol.name() == Ok(name) && symbol.is_definition();
    let symbol = file.dynamic_symbols().chain(file.symbols()).find(is_it);
    let symbol = symbol.with_context(|| format!("it has no variable {name}"))?;
    let section = file.section_by_index(
        symbol
            .section_index()
            .context("a variable without a section")?,
    )?;
    let offset = usize::try_from(symbol.address() - section.address())?;
    section
        .data()?
        .get(offset..)
        .with_context(|| format!("{name} is not in the file"))
}
