//! Sections and symbols that link_elf_load_file() treats specially, or does not load at all.

use super::{Elf, pages};
use object::elf;
use object::read::elf::SectionHeader;
use object::{LittleEndian as LE, Object, ObjectSymbol};

/// The sections with these names are allocated elsewhere (per CPU, per network stack) or are called
/// as constructors.
const NAMES: [&str; 4] = ["set_pcpu", "set_vnet", ".ctors", ".dtors"];

/// Whether the loader gives the section a place in memory.
pub fn is_loaded(section: &impl SectionHeader<Endian = LE>) -> bool {
    let types = [
        elf::SHT_PROGBITS,
        elf::SHT_NOBITS,
        elf::SHT_X86_64_UNWIND,
        elf::SHT_INIT_ARRAY,
        elf::SHT_FINI_ARRAY,
    ];
    section.sh_flags(LE).contains(elf::SHF_ALLOC)
        && types.contains(&section.sh_type(LE))
        && section.sh_size(LE).into() != 0
}

/// The sections and symbols that a module must not have.
pub fn special(file: &Elf<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let table = file.elf_section_table();
    let symtabs = table
        .iter()
        .filter(|section| section.sh_type(LE) == elf::SHT_SYMTAB)
        .count();
    if symtabs != 1 {
        wrong.push(format!(
            "{symtabs} symbol tables; the loader takes exactly one"
        ));
    }
    for section in table.iter() {
        let name = String::from_utf8_lossy(table.section_name(LE, section).unwrap_or(b"?"));
        let (flags, align) = (section.sh_flags(LE), section.sh_addralign(LE));
        let mut reject = |reason: &str| wrong.push(format!("section {name}: {reason}"));
        if NAMES
            .iter()
            .any(|special| *name == **special || name.starts_with(&format!("{special}.")))
        {
            reject("the loader treats it in its own way");
        }
        match section.sh_type(LE) {
            elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY => {
                reject("constructors or destructors")
            }
            elf::SHT_GROUP => reject("a section group"),
            _ if flags.contains(elf::SHF_TLS) => reject("thread-local storage"),
            elf::SHT_NULL => {}
            _ if flags.contains(elf::SHF_ALLOC)
                && section.sh_size(LE) != 0
                && !is_loaded(section) =>
            {
                reject("the loader does not load sections of this type");
            }
            _ if is_loaded(section) && (!align.is_power_of_two() || align > pages::PAGE_SIZE) => {
                reject(&format!(
                    "alignment of {align}; the loader's memory is aligned to pages"
                ));
            }
            _ => {}
        }
    }
    for symbol in file.symbols() {
        let name = symbol.name().unwrap_or("?");
        if symbol.is_common() {
            wrong.push(format!(
                "symbol {name}: COMMON, for which the loader has no memory"
            ));
        }
        match symbol.elf_symbol().st_type() {
            elf::STT_TLS => wrong.push(format!("symbol {name}: thread-local storage")),
            elf::STT_GNU_IFUNC => wrong.push(format!("symbol {name}: an ifunc")),
            _ => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use crate::module::check::check;
    use crate::module::check::fixture::{CALL, Module, OSRELDATE, symbol};
    use object::elf::{self, SymbolType};
    use object::write::{Comdat, SymbolSection};
    use object::{ComdatKind, SectionFlags, SymbolFlags, SymbolKind};

    /// What is wrong with a module that has one more section.
    fn with_section(
        name: &str,
        sh_type: elf::SectionType,
        more: elf::SectionFlags,
        align: u64,
    ) -> String {
        let mut module = Module::good(&CALL);
        let section = module
            .object
            .add_section(vec![], name.into(), object::SectionKind::Data);
        let sh_flags = elf::SHF_ALLOC | elf::SHF_WRITE | more;
        module.object.section_mut(section).flags = SectionFlags::Elf { sh_type, sh_flags };
        module.object.append_section_data(section, &[0; 8], align);
        module.check()
    }

    /// What is wrong with a module that has one more symbol, of this type.
    fn with_symbol(st_type: SymbolType) -> String {
        let mut module = Module::good(&CALL);
        let mut more = symbol(
            "more",
            SymbolSection::Section(module.text),
            SymbolKind::Text,
        );
        let st_info = elf::SymbolInfo::new(elf::STB_LOCAL, st_type);
        more.flags = SymbolFlags::Elf {
            st_info,
            st_other: elf::SymbolOther(0),
        };
        module.object.add_symbol(more);
        module.check()
    }

    const NONE: elf::SectionFlags = elf::SectionFlags(0);

    #[test]
    fn an_ordinary_section() {
        let found = with_section(".data.more", elf::SHT_PROGBITS, NONE, 4096);
        assert!(found.contains("of text, for kernels"), "{found}");
    }

    #[test]
    fn sections_by_name() {
        for name in ["set_pcpu", "set_vnet", ".ctors", ".dtors", ".ctors.65535"] {
            let found = with_section(name, elf::SHT_PROGBITS, NONE, 8);
            assert_eq!(
                found,
                format!("section {name}: the loader treats it in its own way")
            );
        }
    }

    #[test]
    fn sections_by_type() {
        for sh_type in [
            elf::SHT_INIT_ARRAY,
            elf::SHT_FINI_ARRAY,
            elf::SHT_PREINIT_ARRAY,
        ] {
            let found = with_section(".more", sh_type, NONE, 8);
            assert_eq!(found, "section .more: constructors or destructors");
        }
        let found = with_section(".more", elf::SHT_NOTE, NONE, 8);
        assert_eq!(
            found,
            "section .more: the loader does not load sections of this type"
        );
    }

    #[test]
    fn thread_local_storage() {
        let found = with_section(".tdata", elf::SHT_PROGBITS, elf::SHF_TLS, 8);
        assert_eq!(found, "section .tdata: thread-local storage");
        assert_eq!(
            with_symbol(elf::STT_TLS),
            "symbol more: thread-local storage"
        );
    }

    #[test]
    fn an_ifunc() {
        assert_eq!(with_symbol(elf::STT_GNU_IFUNC), "symbol more: an ifunc");
    }

    #[test]
    fn alignment_above_a_page() {
        let found = with_section(".more", elf::SHT_PROGBITS, NONE, 8192);
        assert_eq!(
            found,
            "section .more: alignment of 8192; the loader's memory is aligned to pages"
        );
    }

    #[test]
    fn a_common_symbol() {
        let mut module = Module::good(&CALL);
        let common = symbol("more", SymbolSection::Undefined, SymbolKind::Data);
        module.object.add_common_symbol(common, 8, 8);
        assert_eq!(
            module.check(),
            "symbol more: COMMON, for which the loader has no memory"
        );
    }

    #[test]
    fn a_section_group() {
        let mut module = Module::good(&CALL);
        let symbol = module.object.add_symbol(symbol(
            "more",
            SymbolSection::Section(module.text),
            SymbolKind::Text,
        ));
        module.object.add_comdat(Comdat {
            kind: ComdatKind::Any,
            symbol,
            sections: vec![module.text],
        });
        assert_eq!(module.check(), "section .group: a section group");
    }

    /// Another section's header is overwritten with that of the symbol table.
    #[test]
    fn a_second_symbol_table() {
        let mut bytes = Module::good(&CALL).bytes();
        let shoff = u64::from_le_bytes(bytes[0x28..0x30].try_into().unwrap()) as usize;
        let sections = u16::from_le_bytes(bytes[0x3c..0x3e].try_into().unwrap()) as usize;
        let last = |sh_type: elf::SectionType| {
            (0..sections)
                .map(|i| shoff + 64 * i)
                .rfind(|at| bytes[at + 4] == sh_type.0 as u8)
                .unwrap()
        };
        let (symtab, other) = (last(elf::SHT_SYMTAB), last(elf::SHT_PROGBITS));
        bytes.copy_within(symtab..symtab + 64, other);
        let found = format!("{:#}", check(&bytes, Some(OSRELDATE)).unwrap_err());
        assert!(found.starts_with("2 symbol tables"), "{found}");
    }
}
