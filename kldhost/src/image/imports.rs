//! The imports of a module: the symbols that its relocations need and that it does not define.

use std::collections::BTreeSet;

use object::elf;

use super::elf::{Object, Place, Relocation};
use super::error::LoadError;
use super::reloc;

/// Addresses below this are reached by every relocation from within an image.
const NEAR: usize = 1 << 31;

/// The value of an undefined symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// The address itself.
    Address(usize),
    /// The jump stub with this number.
    Stub(usize),
    /// `__start_NAME`: the first byte of a section.
    SectionStart(usize),
    /// `__stop_NAME`: the first byte after a section.
    SectionEnd(usize),
}

pub(crate) struct Imports<'a> {
    /// For each symbol; `None` where the module defines it or no relocation needs it.
    pub of_symbol: Vec<Option<Import>>,
    /// Name and target of each jump stub.
    pub stubs: Vec<(&'a str, usize)>,
}

impl<'a> Imports<'a> {
    /// Resolves every undefined symbol that a relocation needs.
    ///
    /// # Errors
    ///
    /// [`LoadError::Relocation`] for a relocation that the FreeBSD loader would not apply.
    /// [`LoadError::Undefined`] with all names for which `resolve` returns `None`.
    pub fn resolve(
        object: &Object<'a>,
        resolve: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Imports<'a>, LoadError> {
        let needs = needs(object)?;
        let mut imports = Imports {
            of_symbol: vec![None; object.symbols.len()],
            stubs: Vec::new(),
        };
        let mut missing = BTreeSet::new();
        for (index, need) in needs.iter().enumerate() {
            let (Some(need), symbol) = (need, &object.symbols[index]) else {
                continue;
            };
            let import = match (section_bound(object, symbol.name), resolve(symbol.name)) {
                (Some(bound), _) => bound,
                (None, Some(address)) if need.anywhere || address < NEAR => {
                    Import::Address(address)
                }
                (None, Some(address)) => {
                    imports.stubs.push((symbol.name, address));
                    Import::Stub(imports.stubs.len() - 1)
                }
                // FreeBSD also resolves an undefined weak symbol to null.
                (None, None) if symbol.bind == elf::STB_WEAK => Import::Address(0),
                (None, None) => {
                    missing.insert(symbol.name.to_owned());
                    continue;
                }
            };
            imports.of_symbol[index] = Some(import);
        }
        if missing.is_empty() {
            Ok(imports)
        } else {
            Err(LoadError::Undefined(missing.into_iter().collect()))
        }
    }
}

/// How an undefined symbol is used.
#[derive(Debug, Clone, Copy)]
struct Need {
    /// Only through 64-bit pointers, which reach any address.
    anywhere: bool,
}

fn needs(object: &Object) -> Result<Vec<Option<Need>>, LoadError> {
    let mut needs: Vec<Option<Need>> = vec![None; object.symbols.len()];
    for section in object.sections.iter().filter(|section| section.is_loaded()) {
        for relocation in &section.relocations {
            let fail = |problem| Err(reloc::error(object, section.name, relocation, problem));
            if !reloc::is_known(relocation.kind) {
                return fail("the FreeBSD module loader does not apply this type");
            }
            if relocation.kind == elf::R_X86_64_NONE {
                continue;
            }
            if let Some(problem) = useless_symbol(object, relocation) {
                return fail(problem);
            }
            if object.symbols[relocation.symbol].place == Place::Undefined {
                let need = needs[relocation.symbol].get_or_insert(Need { anywhere: true });
                need.anywhere &= relocation.kind == elf::R_X86_64_64;
            }
        }
    }
    Ok(needs)
}

/// Why a relocation cannot refer to its symbol, if so.
fn useless_symbol(object: &Object, relocation: &Relocation) -> Option<&'static str> {
    let symbol = &object.symbols[relocation.symbol];
    match symbol.place {
        Place::Undefined if symbol.name.is_empty() => Some("there is no symbol"),
        Place::Undefined if symbol.bind == elf::STB_LOCAL => {
            Some("the symbol is local, but not defined")
        }
        Place::Section { index, .. } if !object.sections[index].is_loaded() => {
            Some("the symbol's section is not part of the module in memory")
        }
        _ if symbol.kind == elf::STT_TLS => {
            Some("thread-local storage does not exist in the kernel")
        }
        _ if symbol.kind == elf::STT_GNU_IFUNC => Some("kldhost does not resolve ifuncs"),
        _ => None,
    }
}

fn section_bound(object: &Object, name: &str) -> Option<Import> {
    if let Some(section) = name.strip_prefix("__start_") {
        return Some(Import::SectionStart(object.loaded_section(section)?));
    }
    let section = name.strip_prefix("__stop_")?;
    Some(Import::SectionEnd(object.loaded_section(section)?))
}
