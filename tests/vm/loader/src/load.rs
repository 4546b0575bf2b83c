//! From files in memory to a kernel that can be entered.

use core::fmt;

use crate::elf64;
use crate::modinfo::{File, Smap, Writer};
use crate::staging::{Full, KERNLOAD, Staging};

/// Why a kernel cannot be booted.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// A file is missing; its name.
    Missing(&'static str),
    /// The file `kernel` is something else.
    NotAKernel,
    /// The files do not fit.
    TooLarge,
}

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Error::TooLarge
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing(name) => write!(f, "there is no file {name} among those given with -initrd"),
            Error::NotAKernel => f.write_str("the file kernel is not an ELF file of a FreeBSD/amd64 kernel, 12 to 15"),
            Error::TooLarge => f.write_str("kernel and mfs_root do not fit into the memory below the loader, 254 MB"),
        }
    }
}

/// The files to boot from.
pub struct Files<'f> {
    /// The kernel, an ELF file.
    pub kernel: &'f [u8],
    /// Its environment, a `name=value` a line.
    pub env: &'f [u8],
    /// The root file system.
    pub mfs_root: &'f [u8],
}

/// What the kernel is entered with.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The virtual address of its first instruction.
    pub entry: u64,
    /// The physical address of the metadata.
    pub modulep: u32,
    /// The physical address where free memory begins.
    pub physfree: u32,
}

/// Puts everything where the kernel expects it. `memory` is the machine's.
pub fn load(
    files: &Files<'_>,
    memory: impl Iterator<Item = Smap> + Clone,
    staging: &mut Staging<'_>,
) -> Result<Entry, Error> {
    let entry = elf64::load(files.kernel, staging)?;
    let kernel = File { start: KERNLOAD, len: staging.end() - KERNLOAD };
    let symbols = elf64::load_symbols(files.kernel, staging)?;
    staging.align_page();
    let image = File { start: staging.append(files.mfs_root)?, len: files.mfs_root.len() as u64 };
    staging.align_page();
    let envp = environment(files.env, staging)?;

    let mut metadata = Writer::new(staging);
    metadata.kernel(kernel, envp, symbols, memory)?;
    metadata.mfs_root(image)?;
    let modulep = metadata.finish()?;
    staging.align_page();
    let address = |at: u64| u32::try_from(at).map_err(|_| Error::TooLarge);
    Ok(Entry { entry, modulep: address(modulep)?, physfree: address(staging.end())? })
}

/// The environment as the kernel reads it: each line ends with a NUL, and one more ends the list.
fn environment(lines: &[u8], staging: &mut Staging<'_>) -> Result<u64, Full> {
    let start = staging.end();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        staging.append(line)?;
        staging.append(&[0])?;
    }
    staging.append(&[0])?;
    Ok(start)
}
