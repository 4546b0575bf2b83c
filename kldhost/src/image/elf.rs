//! Reads a relocatable ELF file for amd64 into checked tables. After that, nothing in the file has
//! to be trusted. Every index is in range, and every slice is in the file.

mod header;
mod names;
mod symbols;

use std::collections::HashMap;

use object::LittleEndian as LE;
use object::elf;
use object::elf::{FileHeader64, Rela64, SectionHeader64};
use object::pod;
use object::read::elf::FileHeader as _;

use self::header::{file_header, section_headers};
use self::names::Names;
use self::symbols::{symbol_table, symbols};
use super::error::{LoadError, damaged, unsupported};

/// The largest section, and the largest image, in bytes.
pub(crate) const SIZE_MAX: u64 = 64 << 20;

/// A module's file, read and checked.
pub(crate) struct Object<'a> {
    pub os_abi: elf::OsAbi,
    pub sections: Vec<Section<'a>>,
    pub symbols: Vec<Symbol<'a>>,
    /// The first section of each name that is loaded.
    loaded: HashMap<&'a str, usize>,
}

/// A section, with the relocations that apply to it.
pub(crate) struct Section<'a> {
    pub name: &'a str,
    pub kind: elf::SectionType,
    pub flags: elf::SectionFlags,
    pub size: u64,
    pub align: u64,
    /// Its bytes: empty for SHT_NOBITS, else `size` bytes.
    pub data: &'a [u8],
    /// Sorted by offset.
    pub relocations: Vec<Relocation>,
}

impl Section<'_> {
    /// Whether the section becomes part of the image.
    pub fn is_loaded(&self) -> bool {
        self.flags.0 & elf::SHF_ALLOC.0 != 0 && self.kind != elf::SHT_NULL
    }

    pub fn is_executable(&self) -> bool {
        self.flags.0 & elf::SHF_EXECINSTR.0 != 0
    }

    pub fn is_writable(&self) -> bool {
        self.flags.0 & elf::SHF_WRITE.0 != 0
    }
}

/// Where a symbol is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Undefined,
    Absolute(u64),
    /// Storage that the loader reserves.
    Common {
        size: u64,
        align: u64,
    },
    /// `offset` is at most the section's size.
    Section {
        index: usize,
        offset: u64,
    },
}

pub(crate) struct Symbol<'a> {
    pub name: &'a str,
    pub place: Place,
    pub kind: elf::SymbolType,
    pub bind: elf::SymbolBind,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Relocation {
    /// From the start of the section; not checked against its size here.
    pub offset: u64,
    pub kind: elf::RelocationType,
    /// An index into [`Object::symbols`]. 0 is the null symbol.
    pub symbol: usize,
    pub addend: i64,
}

impl<'a> Object<'a> {
    /// Reads a module's file.
    ///
    /// # Errors
    ///
    /// [`LoadError`] when the file is not a module for amd64, or contradicts itself.
    pub fn parse(bytes: &'a [u8]) -> Result<Object<'a>, LoadError> {
        let header = file_header(bytes)?;
        let headers = section_headers(header, bytes)?;
        let mut names = Names::new(section_names(header, headers, bytes)?, bytes);
        let mut sections = Vec::with_capacity(headers.len());
        for (index, header) in headers.iter().enumerate() {
            sections.push(section(index, header, &mut names, bytes)?);
        }
        check_no_overlap(&sections, bytes)?;
        let (symtab, strtab) = symbol_table(headers, &sections)?;
        let names = Names::new(sections[strtab].data, bytes);
        let symbols = symbols(sections[symtab].data, names, &sections)?;
        for (index, header) in headers.iter().enumerate() {
            read_relocations(index, header, symtab, symbols.len(), &mut sections)?;
        }
        let mut loaded = HashMap::new();
        for (index, section) in sections
            .iter()
            .enumerate()
            .filter(|(_, section)| section.is_loaded())
        {
            loaded.entry(section.name).or_insert(index);
        }
        Ok(Object {
            os_abi: header.e_ident.os_abi,
            sections,
            symbols,
            loaded,
        })
    }

    /// The first section of this name that is loaded.
    pub fn loaded_section(&self, name: &str) -> Option<usize> {
        self.loaded.get(name).copied()
    }

    /// The symbol's name, or for a section symbol the section's.
    pub fn symbol_name(&self, index: usize) -> &'a str {
        let symbol = &self.symbols[index];
        match symbol.place {
            Place::Section { index, .. } if symbol.kind == elf::STT_SECTION => {
                self.sections[index].name
            }
            _ => symbol.name,
        }
    }
}

/// The bytes of a section, without knowing its name yet.
fn section_data<'a>(
    index: usize,
    header: &SectionHeader64<LE>,
    bytes: &'a [u8],
) -> Result<&'a [u8], LoadError> {
    if matches!(header.sh_type.get(LE), elf::SHT_NOBITS | elf::SHT_NULL) {
        return Ok(&[]);
    }
    let (start, size) = (header.sh_offset.get(LE), header.sh_size.get(LE));
    let end = start
        .checked_add(size)
        .filter(|&end| end <= bytes.len() as u64);
    match end {
        Some(end) => Ok(&bytes[start as usize..end as usize]),
        None => Err(damaged(format!(
            "section {index} ({size} bytes at byte {start}) is beyond the end of the file ({} bytes)",
            bytes.len()
        ))),
    }
}

fn section_names<'a>(
    header: &FileHeader64<LE>,
    headers: &[SectionHeader64<LE>],
    bytes: &'a [u8],
) -> Result<&'a [u8], LoadError> {
    let index = header
        .shstrndx(LE, bytes)
        .map_err(|_| damaged("it has no table of section names"))? as usize;
    let header = headers
        .get(index)
        .ok_or_else(|| damaged("the table of section names does not exist"))?;
    section_data(index, header, bytes)
}

fn section<'a>(
    index: usize,
    header: &SectionHeader64<LE>,
    names: &mut Names<'a>,
    bytes: &'a [u8],
) -> Result<Section<'a>, LoadError> {
    let name = names
        .at(header.sh_name.get(LE))
        .ok_or_else(|| damaged(format!("section {index} has no readable name")))?;
    let align = header.sh_addralign.get(LE).max(1);
    if !align.is_power_of_two() {
        return Err(damaged(format!(
            "section {name} has the alignment {align}, which is not a power of two"
        )));
    }
    let size = header.sh_size.get(LE);
    if size > SIZE_MAX {
        return Err(unsupported(format!(
            "section {name} ({size} bytes) is larger than {} MiB",
            SIZE_MAX >> 20
        )));
    }
    Ok(Section {
        name,
        kind: header.sh_type.get(LE),
        flags: header.sh_flags.get(LE),
        size,
        align,
        data: section_data(index, header, bytes)?,
        relocations: Vec::new(),
    })
}

/// With sections that share bytes, a small file could cause any amount of work.
fn check_no_overlap(sections: &[Section], bytes: &[u8]) -> Result<(), LoadError> {
    let total: u64 = sections
        .iter()
        .map(|section| section.data.len() as u64)
        .sum();
    if total > bytes.len() as u64 {
        return Err(damaged("its sections overlap"));
    }
    Ok(())
}

/// A section's bytes as a table of `T`.
fn table<'a, T: pod::Pod>(data: &'a [u8], what: &str) -> Result<&'a [T], LoadError> {
    if !data.len().is_multiple_of(size_of::<T>()) {
        return Err(damaged(format!("{what} ends in the middle of an entry")));
    }
    pod::slice_from_all_bytes(data).map_err(|()| damaged(format!("{what} is not readable")))
}

/// Reads a SHT_RELA section into the section that it applies to, if that one is loaded.
fn read_relocations(
    index: usize,
    header: &SectionHeader64<LE>,
    symtab: usize,
    symbol_count: usize,
    sections: &mut [Section],
) -> Result<(), LoadError> {
    let section = &sections[index];
    if !matches!(section.kind, elf::SHT_RELA | elf::SHT_REL) {
        return Ok(());
    }
    let (name, data) = (section.name, section.data);
    let target = sections
        .get_mut(header.sh_info.get(LE) as usize)
        .ok_or_else(|| {
            damaged(format!(
                "section {name} relocates a section that does not exist"
            ))
        })?;
    if !target.is_loaded() {
        return Ok(());
    }
    if header.sh_type.get(LE) == elf::SHT_REL {
        return Err(unsupported(format!(
            "section {name} has relocations without addends, which amd64 does not use"
        )));
    }
    if header.sh_link.get(LE) as usize != symtab {
        return Err(damaged(format!(
            "section {name} does not refer to the symbol table"
        )));
    }
    for entry in table::<Rela64<LE>>(data, name)? {
        let symbol = entry.r_sym(LE, false) as usize;
        if symbol >= symbol_count {
            return Err(damaged(format!(
                "a relocation in {name} refers to symbol {symbol}, which does not exist"
            )));
        }
        target.relocations.push(Relocation {
            offset: entry.r_offset.get(LE),
            kind: entry.r_type(LE, false),
            symbol,
            addend: entry.r_addend.get(LE),
        });
    }
    target
        .relocations
        .sort_by_key(|relocation| relocation.offset);
    Ok(())
}
