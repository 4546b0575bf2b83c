//! The symbol table.

use object::LittleEndian as LE;
use object::elf::{self, SectionHeader64, Sym64};

use super::names::Names;
use super::{Place, Section, Symbol, table};
use crate::image::error::{LoadError, damaged, unsupported};

/// The indices of the one symbol table and its strings. The FreeBSD loader also refuses a file that
/// has several.
pub fn symbol_table(
    headers: &[SectionHeader64<LE>],
    sections: &[Section],
) -> Result<(usize, usize), LoadError> {
    let mut tables = (0..sections.len()).filter(|&i| sections[i].kind == elf::SHT_SYMTAB);
    let symtab = tables
        .next()
        .ok_or_else(|| unsupported("it has no symbol table (were all symbols stripped?)"))?;
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

/// Reads the table in `data`.
pub fn symbols<'a>(
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
                "symbol {name} has the alignment {value}, which is not a power of two"
            )));
        }
        _ => {}
    }
    let section = usize::from(shndx.0);
    if shndx.is_reserved() || section >= sections.len() {
        return Err(damaged(format!(
            "symbol {index} ({name}) is in section {section}, which does not exist"
        )));
    }
    if value > sections[section].size {
        let section = &sections[section].name;
        return Err(damaged(format!(
            "symbol {index} ({name}) is beyond the end of section {section}"
        )));
    }
    Ok(Place::Section {
        index: section,
        offset: value,
    })
}
