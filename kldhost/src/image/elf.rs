//! Reads a relocatable ELF file for amd64 into checked tables. After this nothing in the file is
//! trusted again: every index points at something and every slice lies in the file.

use std::collections::HashMap;
use std::ffi::CStr;

use object::LittleEndian as LE;
use object::elf;
use object::elf::{FileHeader64, Rela64, SectionHeader64, Sym64};
use object::pod;
use object::read::elf::FileHeader as _;

use super::error::{LoadError, damaged, unsupported};

/// The largest section, and the largest image, in bytes.
pub(crate) const SIZE_MAX: u64 = 64 << 20;
/// The longest symbol or section name accepted, in bytes.
const NAME_MAX: usize = 4096;

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
    /// Its bytes; empty for SHT_NOBITS, else as long as `size` says.
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
    /// Storage that the loader shall reserve.
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

fn file_header(bytes: &[u8]) -> Result<&FileHeader64<LE>, LoadError> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(LoadError::NotElf);
    }
    let Ok((header, _)) = pod::from_bytes::<FileHeader64<LE>>(bytes) else {
        return Err(damaged("the file ends within the ELF header"));
    };
    let refuse = |why: String| Err(LoadError::NotAModule(why));
    if header.e_ident.class != elf::ELFCLASS64 {
        return refuse("it is a 32-bit ELF file".into());
    }
    if header.e_ident.data != elf::ELFDATA2LSB {
        return refuse("it is a big-endian ELF file".into());
    }
    let machine = header.e_machine.get(LE);
    if machine != elf::EM_X86_64 {
        return refuse(format!("it is for {}", machine_name(machine)));
    }
    match header.e_type.get(LE) {
        elf::ET_REL => {}
        elf::ET_EXEC => return refuse("it is an executable".into()),
        elf::ET_DYN => {
            return refuse("it is a shared object or a position-independent executable".into());
        }
        elf::ET_CORE => return refuse("it is a core dump".into()),
        other => return refuse(format!("it is an ELF file of type {}", other.0)),
    }
    if header.e_ident.version != elf::EV_CURRENT
        || header.e_version.get(LE) != u32::from(elf::EV_CURRENT.0)
    {
        return Err(damaged("the ELF version is not 1"));
    }
    if usize::from(header.e_shentsize.get(LE)) != size_of::<SectionHeader64<LE>>() {
        return Err(damaged("the section headers have an unknown size"));
    }
    Ok(header)
}

fn machine_name(machine: elf::Machine) -> String {
    match machine.name() {
        Some(name) => name.trim_start_matches("EM_").to_lowercase(),
        None => format!("machine number {}", machine.0),
    }
}

fn section_headers<'a>(
    header: &FileHeader64<LE>,
    bytes: &'a [u8],
) -> Result<&'a [SectionHeader64<LE>], LoadError> {
    match header.section_headers(LE, bytes) {
        Ok([]) => Err(damaged("it has no sections")),
        Ok(headers) => Ok(headers),
        Err(_) => Err(damaged(format!(
            "the section headers at byte {} lie beyond the end of the file ({} bytes)",
            header.e_shoff.get(LE),
            bytes.len()
        ))),
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
            "section {index} ({size} bytes at byte {start}) lies beyond the end of the file ({} bytes)",
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
        .ok_or_else(|| damaged("the table of section names is not there"))?;
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
            "section {name} has the alignment {align}, which is no power of two"
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

/// Sections that share bytes could make a small file stand for any amount of work.
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

/// The indices of the one symbol table and its strings. The FreeBSD loader, too, refuses a file
/// that has several.
fn symbol_table(
    headers: &[SectionHeader64<LE>],
    sections: &[Section],
) -> Result<(usize, usize), LoadError> {
    let mut tables = (0..sections.len()).filter(|&i| sections[i].kind == elf::SHT_SYMTAB);
    let symtab = tables
        .next()
        .ok_or_else(|| unsupported("it has no symbol table (was it stripped of all symbols?)"))?;
    if tables.next().is_some() {
        return Err(unsupported(
            "it has several symbol tables, and the FreeBSD loader takes exactly one",
        ));
    }
    let strtab = headers[symtab].sh_link.get(LE) as usize;
    match sections.get(strtab) {
        Some(strings) if strings.kind == elf::SHT_STRTAB => Ok((symtab, strtab)),
        _ => Err(damaged("the symbol table has no strings")),
    }
}

/// A section's bytes as a table of `T`.
fn table<'a, T: pod::Pod>(data: &'a [u8], what: &str) -> Result<&'a [T], LoadError> {
    if !data.len().is_multiple_of(size_of::<T>()) {
        return Err(damaged(format!("{what} ends in the middle of an entry")));
    }
    pod::slice_from_all_bytes(data).map_err(|()| damaged(format!("{what} is not readable")))
}

fn symbols<'a>(
    data: &'a [u8],
    mut names: Names<'a>,
    sections: &[Section],
) -> Result<Vec<Symbol<'a>>, LoadError> {
    let table: &[Sym64<LE>] = table(data, "the symbol table")?;
    let mut symbols = Vec::with_capacity(table.len());
    for (index, entry) in table.iter().enumerate() {
        let name = names
            .at(entry.st_name.get(LE))
            .ok_or_else(|| damaged(format!("symbol {index} has no readable name")))?;
        let place = place(name, index, entry, sections)?;
        symbols.push(Symbol {
            name,
            place,
            kind: entry.st_type(),
            bind: entry.st_bind(),
        });
    }
    Ok(symbols)
}

fn place(
    name: &str,
    index: usize,
    entry: &Sym64<LE>,
    sections: &[Section],
) -> Result<Place, LoadError> {
    let value = entry.st_value.get(LE);
    let shndx = entry.st_shndx.get(LE);
    match shndx {
        elf::SHN_UNDEF => return Ok(Place::Undefined),
        elf::SHN_ABS => return Ok(Place::Absolute(value)),
        elf::SHN_COMMON if value.is_power_of_two() || value == 0 => {
            return Ok(Place::Common {
                size: entry.st_size.get(LE),
                align: value.max(1),
            });
        }
        elf::SHN_COMMON => {
            return Err(damaged(format!(
                "symbol {name} has the alignment {value}, which is no power of two"
            )));
        }
        _ => {}
    }
    let section = usize::from(shndx.0);
    if shndx.is_reserved() || section >= sections.len() {
        return Err(damaged(format!(
            "symbol {index} ({name}) is in section {section}, which is not there"
        )));
    }
    if value > sections[section].size {
        let section = &sections[section].name;
        return Err(damaged(format!(
            "symbol {index} ({name}) lies beyond the end of section {section}"
        )));
    }
    Ok(Place::Section {
        index: section,
        offset: value,
    })
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
                "section {name} relocates a section that is not there"
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
                "a relocation in {name} refers to symbol {symbol}, which is not there"
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

/// A table of names. Names may share bytes, so what is read from a table is bounded for the table
/// as a whole: without that, a small file could stand for any amount of work.
struct Names<'a> {
    table: &'a [u8],
    /// Bytes that may still be read.
    budget: usize,
}

impl<'a> Names<'a> {
    fn new(table: &'a [u8], bytes: &[u8]) -> Names<'a> {
        // Merged strings do share bytes, but not many of them.
        Names {
            table,
            budget: bytes.len().saturating_mul(4),
        }
    }

    /// The name at `offset`; `None` unless it is short and printable UTF-8, as every compiler makes
    /// them.
    fn at(&mut self, offset: u32) -> Option<&'a str> {
        if offset == 0 {
            return Some("");
        }
        let rest = self.table.get(offset as usize..)?;
        let rest = &rest[..rest.len().min(NAME_MAX)];
        let name = CStr::from_bytes_until_nul(rest).ok()?.to_str().ok()?;
        self.budget = self.budget.checked_sub(name.len())?;
        (!name.contains(char::is_control)).then_some(name)
    }
}
