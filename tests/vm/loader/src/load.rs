//! From files in memory to a kernel that can be entered.

use crate::elf_obj;
use crate::elf64;
use crate::modinfo::{File, Smap, Writer};
use crate::staging::{Full, KERNLOAD, Staging};
use core::fmt;

/// Why a kernel cannot be booted.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// The file of this name is missing.
    Missing(&'static str),
    /// The file `kernel` is something else.
    NotAKernel,
    /// The file `echodev.ko` is something else.
    NotAModule,
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
            Error::Missing(name) => {
                write!(f, "there is no file {name} among those given with -initrd")
            }
            Error::NotAKernel => f.write_str(
                "the file kernel is not an ELF file of a FreeBSD/amd64 kernel, 12 to 15",
            ),
            Error::NotAModule => {
                f.write_str("the file echodev.ko is not an ELF file of a kernel module")
            }
            Error::TooLarge => f.write_str(
                "kernel and mfs_root do not fit into the memory below the loader, 254 MB",
            ),
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
    /// A module that the kernel starts with.
    pub module: Option<&'f [u8]>,
}

/// The values for the entry into the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The virtual address of its first instruction.
    pub entry: u64,
    /// The physical address of the metadata.
    pub modulep: u32,
    /// The physical address of free memory.
    pub physfree: u32,
}

/// Places everything where the kernel expects it. `memory` is that of the machine.
pub fn load(
    files: &Files<'_>,
    memory: impl Iterator<Item = Smap> + Clone,
    staging: &mut Staging<'_>,
) -> Result<Entry, Error> {
    let entry = elf64::load(files.kernel, staging)?;
    let kernel = File {
        start: KERNLOAD,
        len: staging.end() - KERNLOAD,
    };
    let symbols = elf64::load_symbols(files.kernel, staging)?;
    staging.align_page();
    let image = File {
        start: staging.append(files.mfs_root)?,
        len: files.mfs_root.len() as u64,
    };
    let module = files
        .module
        .map(|module| elf_obj::load(module, staging))
        .transpose()?;
    staging.align_page();
    let envp = environment(files.env, staging)?;

    let mut metadata = Writer::new(staging);
    metadata.kernel(kernel, envp, symbols, memory)?;
    metadata.mfs_root(image)?;
    if let Some(module) = &module {
        metadata.module(module)?;
    }
    let modulep = metadata.finish()?;
    staging.align_page();
    let address = |at: u64| u32::try_from(at).map_err(|_| Error::TooLarge);
    Ok(Entry {
        entry,
        modulep: address(modulep)?,
        physfree: address(staging.end())?,
    })
}

/// The environment as the kernel reads it. Each line ends with a NUL, and one more NUL ends the
/// list.
fn environment(lines: &[u8], staging: &mut Staging<'_>) -> Result<u64, Full> {
    let start = staging.end();
    for line in lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        staging.append(line)?;
        staging.append(&[0])?;
    }
    staging.append(&[0])?;
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::staging::KERNBASE;

    const ENTRY: u64 = KERNBASE + KERNLOAD + 0x10;
    const TEXT: &[u8] = b"the kernel's text";

    /// An ELF file with one segment. It has a header, a program header and the text, with room for
    /// 100 bytes after it.
    fn kernel() -> Vec<u8> {
        let mut file = vec![];
        file.extend(*b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0");
        file.extend([2u16, 62].iter().flat_map(|half| half.to_le_bytes()));
        file.extend(1u32.to_le_bytes());
        file.extend([ENTRY, 64, 0].iter().flat_map(|word| word.to_le_bytes()));
        file.extend(0u32.to_le_bytes());
        file.extend(
            [64u16, 56, 1, 64, 0, 0]
                .iter()
                .flat_map(|half| half.to_le_bytes()),
        );
        file.extend([1u32, 7].iter().flat_map(|word| word.to_le_bytes()));
        let len = TEXT.len() as u64;
        let address = KERNBASE + KERNLOAD;
        file.extend(
            [120, address, KERNLOAD, len, len + 100, 4096]
                .iter()
                .flat_map(|word: &u64| word.to_le_bytes()),
        );
        file.extend(TEXT);
        file
    }

    fn load_into(memory: &mut [u8], kernel: &[u8]) -> Result<Entry, Error> {
        let files = Files {
            kernel,
            env: b"a=1\n\nb=two\n",
            mfs_root: b"image",
            module: None,
        };
        let map = [
            Smap {
                base: 0,
                length: 0x9fc00,
                kind: 1,
            },
            Smap {
                base: 0x10_0000,
                length: 1 << 29,
                kind: 1,
            },
        ];
        load(&files, map.into_iter(), &mut Staging::new(memory))
    }

    /// The records of the metadata, as type and data.
    fn records(memory: &[u8], modulep: u32) -> Vec<(u32, &[u8])> {
        let mut rest = &memory[modulep as usize - KERNLOAD as usize..];
        let mut found = vec![];
        loop {
            let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let (kind, len) = (word(0), word(4) as usize);
            if kind == 0 {
                return found;
            }
            found.push((kind, &rest[8..8 + len]));
            rest = &rest[(8 + len).next_multiple_of(8)..];
        }
    }

    fn at(memory: &[u8], address: &[u8], len: usize) -> Vec<u8> {
        let start = (u64::from_le_bytes(address.try_into().unwrap()) - KERNLOAD) as usize;
        memory[start..start + len].to_vec()
    }

    #[test]
    fn the_metadata_has_the_place_of_everything() {
        let mut memory = vec![0xff; 1 << 20];
        let entry = load_into(&mut memory, &kernel()).unwrap();
        assert_eq!(entry.entry, ENTRY);
        assert_eq!(&memory[..TEXT.len()], TEXT);
        assert_eq!(memory[TEXT.len()..TEXT.len() + 100], [0; 100]);
        assert!(entry.physfree > entry.modulep && entry.physfree.is_multiple_of(4096));

        let records = records(&memory, entry.modulep);
        let kinds: Vec<u32> = records.iter().map(|record| record.0).collect();
        assert_eq!(kinds, [1, 2, 3, 4, 0x8007, 0x8006, 0x9001, 1, 2, 3, 4]);
        assert_eq!(records[1].1, b"elf kernel\0");
        assert_eq!(records[2].1, KERNLOAD.to_le_bytes());
        assert_eq!(at(&memory, records[5].1, 11), b"a=1\0b=two\0\0");
        assert_eq!(records[6].1.len(), 40);
        assert_eq!(records[8].1, b"mfs_root\0");
        assert_eq!(at(&memory, records[9].1, 5), b"image");
        assert_eq!(records[10].1, 5u64.to_le_bytes());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for len in [0, 10, 4096, 8192] {
            assert_eq!(
                load_into(&mut vec![0; len], &kernel()).unwrap_err(),
                Error::TooLarge,
                "{len} bytes"
            );
        }
    }

    #[test]
    fn a_damaged_kernel_is_refused_or_loaded() {
        let kernel = kernel();
        let mut memory = vec![0; 1 << 16];
        for len in 0..kernel.len() {
            assert_eq!(
                load_into(&mut memory, &kernel[..len]).unwrap_err(),
                Error::NotAKernel,
                "{len} bytes"
            );
        }
        for place in 0..kernel.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut damaged = kernel.clone();
                damaged[place] = value;
                // Both results are right, as long as it does not panic.
                let _ = load_into(&mut memory, &damaged);
            }
        }
    }
}
