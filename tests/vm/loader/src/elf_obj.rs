//! A kernel module, a relocatable ELF file, which is laid out in memory as by loader(8). The kernel
//! relocates the module when it starts.

use crate::load::Error;
use crate::modinfo::File;
use crate::staging::Staging;
use elf::ElfBytes;
use elf::abi::{
    ET_REL, SHF_ALLOC, SHT_FINI_ARRAY, SHT_INIT_ARRAY, SHT_NOBITS, SHT_PROGBITS, SHT_RELA,
    SHT_SYMTAB, SHT_X86_64_UNWIND,
};
use elf::endian::LittleEndian;
use elf::section::SectionHeader;

/// The size of the ELF header, and of a section header.
pub const HEADER: usize = 64;
pub const SECTION_HEADER: usize = 64;

/// The offset of `sh_addr` in a section header.
pub const SH_ADDR: usize = 16;

/// The maximum number of sections of a module.
const SECTIONS: usize = 64;

/// A module in memory.
pub struct Module<'f> {
    /// The memory that the kernel gets, which is everything that [`load`] has placed.
    pub file: File,
    /// Its ELF header.
    pub header: &'f [u8],
    /// Its section headers, as in the file.
    pub section_headers: &'f [u8],
    /// The physical address of each section, 0 for one that is not in memory.
    addresses: [u64; SECTIONS],
}

impl Module<'_> {
    /// The section headers one after another, each with the section's address.
    pub fn sections(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.section_headers
            .chunks_exact(SECTION_HEADER)
            .zip(self.addresses)
    }
}

/// Places the parts of a module that the kernel needs. They are the allocated sections, the
/// symbols, both string tables, and the relocations of these sections.
pub fn load<'f>(file: &'f [u8], staging: &mut Staging<'_>) -> Result<Module<'f>, Error> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| Error::NotAModule)?;
    let headers = elf.section_headers().ok_or(Error::NotAModule)?;
    if elf.ehdr.e_type != ET_REL || headers.len() > SECTIONS {
        return Err(Error::NotAModule);
    }
    let start_of_headers = usize::try_from(elf.ehdr.e_shoff).map_err(|_| Error::NotAModule)?;
    let len_of_headers = headers.len() * SECTION_HEADER;
    let section_headers = file
        .get(start_of_headers..)
        .and_then(|rest| rest.get(..len_of_headers));

    let is_allocated = |section: &SectionHeader| section.sh_flags & u64::from(SHF_ALLOC) != 0;
    let mut symbols = headers
        .iter()
        .filter(|section| section.sh_type == SHT_SYMTAB);
    let (Some(table), None) = (symbols.next(), symbols.next()) else {
        return Err(Error::NotAModule);
    };
    let strings = [table.sh_link as usize, usize::from(elf.ehdr.e_shstrndx)];
    let is_needed = |i: usize, section: &SectionHeader| match section.sh_type {
        SHT_PROGBITS | SHT_NOBITS | SHT_X86_64_UNWIND | SHT_INIT_ARRAY | SHT_FINI_ARRAY => {
            is_allocated(section)
        }
        SHT_SYMTAB => true,
        SHT_RELA => headers
            .get(section.sh_info as usize)
            .is_ok_and(|target| is_allocated(&target)),
        _ => strings.contains(&i),
    };

    staging.align_page();
    let start = staging.end();
    let mut addresses = [0; SECTIONS];
    for (i, section) in headers.iter().enumerate() {
        if section.sh_size == 0 || !is_needed(i, &section) {
            continue;
        }
        let alignment =
            usize::try_from(section.sh_addralign.max(1)).map_err(|_| Error::TooLarge)?;
        if !alignment.is_power_of_two() {
            return Err(Error::NotAModule);
        }
        staging.align(alignment);
        addresses[i] = staging.end();
        let len = usize::try_from(section.sh_size).map_err(|_| Error::TooLarge)?;
        let place = staging.reserve(staging.end(), len)?;
        if section.sh_type != SHT_NOBITS {
            let (data, _) = elf.section_data(&section).map_err(|_| Error::NotAModule)?;
            place
                .get_mut(..data.len())
                .ok_or(Error::NotAModule)?
                .copy_from_slice(data);
        }
    }
    Ok(Module {
        file: File {
            start,
            len: staging.end() - start,
        },
        header: file.get(..HEADER).ok_or(Error::NotAModule)?,
        section_headers: section_headers.ok_or(Error::NotAModule)?,
        addresses,
    })
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::staging::KERNLOAD;

    const TEXT: &[u8] = b"text of the module";

    /// A section, as type, flags, alignment, link, info, size in memory and contents.
    type Section = (u32, u32, u64, u32, u32, usize, &'static [u8]);

    /// A module whose text has relocations, with a section that is not to be loaded.
    const SECTIONS: [Section; 8] = [
        (0, 0, 0, 0, 0, 0, b""),
        (SHT_PROGBITS, SHF_ALLOC, 16, 0, 0, TEXT.len(), TEXT),
        (SHT_NOBITS, SHF_ALLOC, 4096, 0, 0, 100, b""),
        (SHT_PROGBITS, 0, 1, 0, 0, 7, b"comment"),
        (SHT_SYMTAB, 0, 8, 5, 0, 24, &[7; 24]),
        (3, 0, 1, 0, 0, 9, b"\0symbols\0"),
        (3, 0, 1, 0, 0, 6, b"\0names"),
        (SHT_RELA, 0, 8, 4, 1, 24, &[9; 24]),
    ];

    fn module(sections: &[Section]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\x09\0\0\0\0\0\0\0\0".to_vec();
        file.extend([ET_REL, 62].iter().flat_map(|half| half.to_le_bytes()));
        file.extend(1u32.to_le_bytes());
        let data: usize = sections.iter().map(|section| section.6.len()).sum();
        file.extend(
            [0, 0, HEADER + data]
                .iter()
                .flat_map(|word| word.to_le_bytes()),
        );
        file.extend(0u32.to_le_bytes());
        file.extend(
            [64u16, 0, 0, 64, sections.len() as u16, 6]
                .iter()
                .flat_map(|half| half.to_le_bytes()),
        );
        let mut headers = vec![];
        for (kind, flags, alignment, link, info, len, contents) in sections {
            headers.extend(0u32.to_le_bytes());
            headers.extend(kind.to_le_bytes());
            headers.extend(
                [u64::from(*flags), 0, file.len() as u64, *len as u64]
                    .iter()
                    .flat_map(|word| word.to_le_bytes()),
            );
            headers.extend([*link, *info].iter().flat_map(|word| word.to_le_bytes()));
            headers.extend([*alignment, 0].iter().flat_map(|word| word.to_le_bytes()));
            file.extend(*contents);
        }
        file.extend(headers);
        file
    }

    #[test]
    fn what_the_kernel_needs_is_where_the_addresses_say() {
        let mut memory = vec![0xff; 1 << 16];
        let mut staging = Staging::new(&mut memory);
        staging.append(b"the kernel").unwrap();
        let file = module(&SECTIONS);
        let module = load(&file, &mut staging).unwrap();
        let end = staging.end();
        assert_eq!(
            (module.file.start, module.file.start + module.file.len),
            (KERNLOAD + 4096, end)
        );
        assert_eq!(module.header, &file[..HEADER]);
        let addresses: Vec<u64> = module.sections().map(|(_, address)| address).collect();
        let loaded: Vec<bool> = addresses.iter().map(|address| *address != 0).collect();
        assert_eq!(loaded, [false, true, true, false, true, true, true, true]);
        for (section, address) in SECTIONS
            .iter()
            .zip(addresses)
            .filter(|(_, address)| *address != 0)
        {
            let start = (address - KERNLOAD) as usize;
            assert!(address.is_multiple_of(section.2));
            let mut expected = section.6.to_vec();
            expected.resize(section.5, 0);
            assert_eq!(&memory[start..start + section.5], expected);
        }
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let good = module(&SECTIONS);
        let refused = |file: &[u8]| {
            assert_eq!(
                load(file, &mut Staging::new(&mut vec![0; 1 << 16])).err(),
                Some(Error::NotAModule)
            );
        };
        (0..good.len()).for_each(|len| refused(&good[..len]));
        let mut executable = good.clone();
        executable[16] = 2;
        refused(&executable);
        let mut without_symbols = SECTIONS;
        without_symbols[4].0 = SHT_PROGBITS;
        refused(&module(&without_symbols));
        refused(&module(&[SECTIONS.as_slice(); 9].concat()));
        assert_eq!(
            load(&good, &mut Staging::new(&mut [0; 4200])).err(),
            Some(Error::TooLarge)
        );
    }
}
