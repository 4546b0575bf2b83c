//! The metadata, records that the kernel reads when it starts (`sys/linker.h`,
//! `machine/metadata.h`).
//!
//! A record has its type and its length, 32 bits each, and its data, padded to a multiple of 8
//! bytes. `MODINFO_NAME` begins the records of one file. The first file is the kernel. A record of
//! zeros ends the list.

use crate::elf_obj::{Module, SECTION_HEADER, SH_ADDR};
use crate::staging::{Full, Staging};

const MODINFO_NAME: u32 = 1;
const MODINFO_TYPE: u32 = 2;
const MODINFO_ADDR: u32 = 3;
const MODINFO_SIZE: u32 = 4;
const MODINFO_METADATA: u32 = 0x8000;
const MODINFOMD_ELFHDR: u32 = MODINFO_METADATA | 2;
const MODINFOMD_SSYM: u32 = MODINFO_METADATA | 3;
const MODINFOMD_ESYM: u32 = MODINFO_METADATA | 4;
const MODINFOMD_ENVP: u32 = MODINFO_METADATA | 6;
const MODINFOMD_HOWTO: u32 = MODINFO_METADATA | 7;
const MODINFOMD_SHDR: u32 = MODINFO_METADATA | 9;
const MODINFOMD_SMAP: u32 = MODINFO_METADATA | 0x1001;

/// The serial port is the console (`sys/reboot.h`).
const RB_SERIAL: u32 = 0x1000;

/// The place of a file in physical memory. The kernel adds `KERNBASE` to every address here.
#[derive(Clone, Copy)]
pub struct File {
    /// Its first byte.
    pub start: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// The place of the symbol tables of the kernel in physical memory.
#[derive(Clone, Copy)]
pub struct Symbols {
    /// Their first byte.
    pub start: u64,
    /// The address after their last byte.
    pub end: u64,
}

/// A range of physical memory as the BIOS reports it (`struct bios_smap`, INT 15h function E820h).
#[derive(Clone, Copy)]
pub struct Smap {
    /// Its first byte.
    pub base: u64,
    /// Its length in bytes.
    pub length: u64,
    /// 1 for memory that can be used.
    pub kind: u32,
}

/// Writes the list. The kernel's records need `memory` after them, so [`Writer::finish`] must be
/// called at the end.
pub struct Writer<'s, 'm> {
    staging: &'s mut Staging<'m>,
    start: u64,
}

impl<'s, 'm> Writer<'s, 'm> {
    /// Begins a list.
    pub fn new(staging: &'s mut Staging<'m>) -> Self {
        staging.align_page();
        let start = staging.end();
        Self { staging, start }
    }

    /// The records of the kernel, whose environment is at physical address `envp`.
    pub fn kernel(
        &mut self,
        kernel: File,
        envp: u64,
        symbols: Option<Symbols>,
        memory: impl Iterator<Item = Smap> + Clone,
    ) -> Result<(), Full> {
        self.file("/boot/kernel/kernel", "elf kernel", kernel)?;
        self.record(MODINFOMD_HOWTO, &RB_SERIAL.to_le_bytes())?;
        self.record(MODINFOMD_ENVP, &envp.to_le_bytes())?;
        if let Some(symbols) = symbols {
            self.record(MODINFOMD_SSYM, &symbols.start.to_le_bytes())?;
            self.record(MODINFOMD_ESYM, &symbols.end.to_le_bytes())?;
        }
        self.smap(memory)
    }

    /// The records of an image that is to be md0.
    pub fn mfs_root(&mut self, image: File) -> Result<(), Full> {
        self.file("/boot/mfs_root", "mfs_root", image)
    }

    /// The records of a module. The kernel finds each section at the address in its header.
    pub fn module(&mut self, module: &Module<'_>) -> Result<(), Full> {
        self.file("/boot/modules/echodev.ko", "elf obj module", module.file)?;
        self.record(MODINFOMD_ELFHDR, module.header)?;
        self.header(MODINFOMD_SHDR, module.section_headers.len())?;
        for (header, address) in module.sections() {
            let mut header: [u8; SECTION_HEADER] = header.try_into().map_err(|_| Full)?;
            header[SH_ADDR..SH_ADDR + 8].copy_from_slice(&address.to_le_bytes());
            self.staging.append(&header)?;
        }
        self.staging.align(8);
        Ok(())
    }

    /// Ends the list, and returns its physical address.
    pub fn finish(self) -> Result<u64, Full> {
        self.staging.append(&[0; 8])?;
        Ok(self.start)
    }

    fn file(&mut self, name: &str, kind: &str, file: File) -> Result<(), Full> {
        self.string(MODINFO_NAME, name)?;
        self.string(MODINFO_TYPE, kind)?;
        self.record(MODINFO_ADDR, &file.start.to_le_bytes())?;
        self.record(MODINFO_SIZE, &file.len.to_le_bytes())
    }

    fn smap(&mut self, memory: impl Iterator<Item = Smap> + Clone) -> Result<(), Full> {
        self.header(MODINFOMD_SMAP, memory.clone().count() * 20)?;
        for range in memory {
            self.staging.append(&range.base.to_le_bytes())?;
            self.staging.append(&range.length.to_le_bytes())?;
            self.staging.append(&range.kind.to_le_bytes())?;
        }
        self.staging.align(8);
        Ok(())
    }

    fn string(&mut self, kind: u32, text: &str) -> Result<(), Full> {
        self.header(kind, text.len() + 1)?;
        self.staging.append(text.as_bytes())?;
        self.staging.append(&[0])?;
        self.staging.align(8);
        Ok(())
    }

    fn record(&mut self, kind: u32, data: &[u8]) -> Result<(), Full> {
        self.header(kind, data.len())?;
        self.staging.append(data)?;
        self.staging.align(8);
        Ok(())
    }

    fn header(&mut self, kind: u32, len: usize) -> Result<(), Full> {
        self.staging.append(&kind.to_le_bytes())?;
        // All lengths are far smaller than 4 GB, as the memory itself is.
        self.staging.append(&(len as u32).to_le_bytes())?;
        Ok(())
    }
}
