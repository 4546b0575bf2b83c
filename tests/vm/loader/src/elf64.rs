//! The kernel file with its segments, and its symbol table for backtraces.

use crate::load::Error;
use crate::modinfo::Symbols;
use crate::staging::{KERNBASE, Staging};
use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD, SHT_SYMTAB};
use elf::endian::LittleEndian;

/// Copies the kernel's segments to their addresses. Returns the virtual address of its entry.
pub fn load(file: &[u8], staging: &mut Staging<'_>) -> Result<u64, Error> {
    let elf = parse(file)?;
    for segment in elf
        .segments()
        .ok_or(Error::NotAKernel)?
        .iter()
        .filter(|segment| segment.p_type == PT_LOAD)
    {
        let at = segment
            .p_vaddr
            .checked_sub(KERNBASE)
            .ok_or(Error::NotAKernel)?;
        let data = elf.segment_data(&segment).map_err(|_| Error::NotAKernel)?;
        let len = usize::try_from(segment.p_memsz).map_err(|_| Error::TooLarge)?;
        let target = staging.reserve(at, len)?;
        target
            .get_mut(..data.len())
            .ok_or(Error::NotAKernel)?
            .copy_from_slice(data);
    }
    Ok(elf.ehdr.e_entry)
}

/// Copies the kernel's symbol and string tables after it, each after its length. Returns `None` if
/// the kernel is stripped.
pub fn load_symbols(file: &[u8], staging: &mut Staging<'_>) -> Result<Option<Symbols>, Error> {
    let elf = parse(file)?;
    let Some(headers) = elf.section_headers() else {
        return Ok(None);
    };
    let Some(symbols) = headers.iter().find(|header| header.sh_type == SHT_SYMTAB) else {
        return Ok(None);
    };
    let strings = headers
        .get(symbols.sh_link as usize)
        .map_err(|_| Error::NotAKernel)?;
    staging.align_page();
    let start = staging.end();
    for header in [symbols, strings] {
        let (data, _) = elf.section_data(&header).map_err(|_| Error::NotAKernel)?;
        staging.append(&(data.len() as u64).to_le_bytes())?;
        staging.append(data)?;
        staging.align(size_of::<u64>());
    }
    Ok(Some(Symbols {
        start,
        end: staging.end(),
    }))
}

fn parse(file: &[u8]) -> Result<ElfBytes<'_, LittleEndian>, Error> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| Error::NotAKernel)?;
    if elf.ehdr.e_machine == EM_X86_64 {
        Ok(elf)
    } else {
        Err(Error::NotAKernel)
    }
}
