//! The tables that kn_fop points to, or that such tables are copied from, `<sys/event.h>`.
//!
//! struct filterops grows within a release line. A kernel that is newer than the headers of the
//! module reads beyond the members that the module has. It calls the value there unless that is
//! NULL. So each table needs a tail of zeroes.

use super::{Elf, Section, leaving, metadata, target};
use anyhow::Result;
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationFlags, SectionIndex, SectionKind, SymbolKind,
    elf,
};
use std::collections::BTreeMap;

/// Offsets in struct filterops: int f_isfd, a gap, f_attach, f_detach, f_event, f_touch, and what
/// later releases add.
const F_ATTACH: usize = 8;
const F_DETACH: usize = 16;
const F_EVENT: usize = 24;

/// The size of the smallest struct filterops, that of FreeBSD 12 to 14.2.
const SMALLEST: usize = 40;

/// The size of the tail, eight pointers.
const TAIL: usize = 64;

/// A place in the file.
pub type Place = (SectionIndex, u64);

/// A table, and the function that its f_detach points to.
pub struct Table {
    pub name: String,
    pub detach: Option<Place>,
}

/// All tables, and what is wrong with them.
pub fn tables(file: &Elf<'_>) -> Result<(Vec<Table>, Vec<String>)> {
    let (mut tables, mut wrong, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for symbol in file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Data)
    {
        let Some(index) = symbol.section_index() else {
            continue;
        };
        let section = file.section_by_index(index)?;
        let Some(bytes) = section.data_range(symbol.address(), symbol.size())? else {
            continue;
        };
        let pointers = pointers(file, &section, symbol.address(), bytes.len());
        let name = symbol.name().unwrap_or("?");
        if name.ends_with("_filterops") || is_table(bytes, &pointers) {
            wrong.extend(tail(bytes, &pointers).map(|reason| format!("{name}: {reason}")));
            places.push((index, symbol.address() + F_DETACH as u64));
            tables.push(Table {
                name: name.into(),
                detach: pointers.get(&F_DETACH).copied().flatten(),
            });
        }
    }
    wrong.extend(elsewhere(file, &tables, &places));
    if tables.is_empty() && metadata::declares(file, leaving::DRIVER) {
        wrong.push("no filterops found".into());
    }
    Ok((tables, wrong))
}

/// The relocations of an object by offset, with the functions of this file that they lead to.
fn pointers(
    file: &Elf<'_>,
    section: &Section<'_, '_>,
    start: u64,
    size: usize,
) -> BTreeMap<usize, Option<Place>> {
    let within = start..start + size as u64;
    let relocations = section
        .relocations()
        .filter(|(place, _)| within.contains(place));
    relocations
        .map(|(place, relocation)| ((place - start) as usize, function(file, &relocation)))
        .collect()
}

/// The function of this file that a relocation leads to.
fn function(file: &Elf<'_>, relocation: &object::Relocation) -> Option<Place> {
    let (section, offset) = target(file, relocation).ok()?;
    (section.kind() == SectionKind::Text).then_some((section.index(), offset))
}

/// Whether an object begins as struct filterops does. Then f_isfd is 0 or 1, f_attach is a pointer
/// or NULL, and f_detach and f_event are functions.
fn is_table(bytes: &[u8], pointers: &BTreeMap<usize, Option<Place>>) -> bool {
    bytes.len() >= SMALLEST
        && bytes[0] <= 1
        && bytes[1..F_DETACH].iter().all(|byte| *byte == 0)
        && pointers.range(..F_ATTACH).next().is_none()
        && [F_DETACH, F_EVENT]
            .iter()
            .all(|offset| pointers.get(offset).is_some_and(Option::is_some))
}

/// What is wrong with the end of a table.
fn tail(bytes: &[u8], pointers: &BTreeMap<usize, Option<Place>>) -> Option<String> {
    let members = pointers
        .keys()
        .last()
        .map_or(0, |last| last + 8)
        .max(SMALLEST);
    if bytes.len() < members + TAIL {
        let tail = bytes.len().saturating_sub(members);
        return Some(format!(
            "a tail of {tail} bytes after its members; a later kernel reads up to {TAIL}"
        ));
    }
    let other = bytes.iter().skip(F_ATTACH).position(|byte| *byte != 0)?;
    Some(format!(
        "not zero at offset {}, where a later kernel may have a method",
        other + F_ATTACH
    ))
}

/// The places where the address of an f_detach is taken, other than the tables found.
fn elsewhere(file: &Elf<'_>, tables: &[Table], places: &[Place]) -> Vec<String> {
    let named = leaving::find(file, leaving::DETACH);
    let detaches: Vec<_> = tables
        .iter()
        .filter_map(|table| table.detach)
        .chain(named)
        .collect();
    let mut wrong = Vec::new();
    for section in file.sections() {
        for (offset, relocation) in section.relocations() {
            let absolute =
                [elf::R_X86_64_64, elf::R_X86_64_32S].map(|r_type| RelocationFlags::Elf { r_type });
            if absolute.contains(&relocation.flags())
                && function(file, &relocation).is_some_and(|place| detaches.contains(&place))
                && !places.contains(&(section.index(), offset))
            {
                let place = super::place(file, &section, offset);
                wrong.push(format!(
                    "the address of an f_detach at {place}, which is in no filterops found"
                ));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use crate::module::check::fixture::{CALL, Module};
    use object::elf;

    /// A module with a table of this name and size, and `change` made to its bytes.
    fn module(name: &str, size: usize, change: impl Fn(&mut Vec<u8>)) -> Module {
        let mut module = Module::good(&CALL);
        let (detach, at) = module.function("detach", &[0xe9, 0, 0, 0, 0]);
        let remove = module.import("knlist_remove");
        module.relocate(module.text, at + 1, elf::R_X86_64_PLT32, remove, -4);
        let (event, _) = module.function("event", &[0xc3]);
        let mut bytes = vec![0; size];
        bytes[0] = 1;
        change(&mut bytes);
        module.table(name, &bytes, &[(16, detach), (24, event)]);
        module
    }

    #[test]
    fn a_table_with_its_tail() {
        let found = module("read_filterops", 104, |_| {}).check();
        assert!(
            found.contains("filterops with a tail of zeroes: read_filterops"),
            "{found}"
        );
    }

    #[test]
    fn a_table_without_a_tail() {
        for (size, tail) in [(40, 0), (48, 8), (103, 63)] {
            let found = module("read_filterops", size, |_| {}).check();
            let begin = format!("read_filterops: a tail of {tail} bytes after its members;");
            assert!(found.starts_with(&begin), "{found}");
        }
    }

    #[test]
    fn a_table_by_its_contents() {
        let found = module("table", 40, |_| {}).check();
        assert!(found.starts_with("table: a tail of 0 bytes"), "{found}");
    }

    #[test]
    fn something_else_with_two_functions() {
        for (offset, byte) in [(0, 2), (4, 1), (8, 1)] {
            let found = module("cdevsw", 104, |bytes| bytes[offset] = byte).check();
            assert!(
                found.contains("filterops with a tail of zeroes: none"),
                "{found}"
            );
        }
    }

    #[test]
    fn a_tail_that_is_not_zero() {
        let found = module("read_filterops", 104, |bytes| bytes[103] = 1).check();
        assert_eq!(
            found,
            "read_filterops: not zero at offset 103, where a later kernel may have a method"
        );
    }

    #[test]
    fn a_pointer_in_the_tail() {
        let mut module = module("read_filterops", 104, |_| {});
        let (more, _) = module.function("more", &[0xc3]);
        module.table(
            "write_filterops",
            &[0; 112],
            &[(16, more), (48, more), (56, more)],
        );
        let found = module.check();
        assert!(
            found.contains("write_filterops: a tail of 48 bytes after its members"),
            "{found}"
        );
    }

    #[test]
    fn an_f_detach_outside_a_table() {
        let mut module = module("read_filterops", 104, |_| {});
        // mov $0,%rax; ret
        let (_, at) = module.function("more", &[0x48, 0xc7, 0xc0, 0, 0, 0, 0, 0xc3]);
        let detach = module.find("detach").unwrap();
        module.relocate(module.text, at + 3, elf::R_X86_64_32S, detach, 0);
        assert_eq!(
            module.check(),
            "the address of an f_detach at more+0x3, which is in no filterops found"
        );
    }

    #[test]
    fn a_driver_without_a_table() {
        let found = Module::good(&CALL).named("echodev").check();
        assert!(found.starts_with("no filterops found"), "{found}");
    }
}
