//! Names for addresses in an image, and addresses for names.

use std::collections::HashMap;
use std::fmt::{self, Write as _};

use object::elf;
use rustc_demangle::demangle;

use super::elf::{Object, Place};
use super::layout::STUB;
use super::reloc::Linker;

/// The longest name that is demangled, as it is then, in bytes.
const READABLE_MAX: usize = 1024;

/// A symbol's name in readable form. A mangled name can expand to a million times its length. Such
/// a name is left unchanged.
pub(crate) fn readable(name: &str) -> String {
    /// Accepts text up to a limit.
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if self.0.len() + text.len() > READABLE_MAX {
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut short = Short(String::new());
    match write!(short, "{:#}", demangle(name)) {
        Ok(()) => short.0,
        Err(fmt::Error) => name.to_owned(),
    }
}

/// The symbols of an image.
pub(crate) struct Symbols {
    by_name: HashMap<String, usize>,
    /// Sorted by address; of several at one address the best name is the last.
    by_address: Vec<(usize, String)>,
}

impl Symbols {
    pub fn new(linker: &Linker) -> Symbols {
        Symbols {
            by_name: by_name(linker),
            by_address: by_address(linker),
        }
    }

    /// The address of a symbol that the module defines; a global one wins over local ones.
    pub fn address(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The nearest name at or below `address`, which must be in the image, and the distance.
    pub fn nearest(&self, address: usize) -> Option<(String, usize)> {
        let behind = self
            .by_address
            .partition_point(|(start, _)| *start <= address);
        let (start, name) = self.by_address.get(behind.checked_sub(1)?)?;
        Some((readable(name), address - start))
    }
}

fn by_name(linker: &Linker) -> HashMap<String, usize> {
    let mut names = HashMap::new();
    for (index, symbol) in linker.object.symbols.iter().enumerate() {
        if symbol.name.is_empty() || symbol.place == Place::Undefined {
            continue;
        }
        let Some(address) = linker.symbol_address(index) else {
            continue;
        };
        if symbol.bind == elf::STB_LOCAL {
            names.entry(symbol.name.to_owned()).or_insert(address);
        } else {
            names.insert(symbol.name.to_owned(), address);
        }
    }
    names
}

fn by_address(linker: &Linker) -> Vec<(usize, String)> {
    let mut ranked: Vec<(usize, u8, String)> = Vec::new();
    let sections = linker.object.sections.iter().zip(&linker.layout.sections);
    for (section, start) in sections.filter(|(section, _)| section.size != 0) {
        if let Some(start) = start {
            ranked.push((linker.base + start, 0, section.name.to_owned()));
        }
    }
    for (number, (name, _)) in linker.imports.stubs.iter().enumerate() {
        ranked.push((
            linker.base + linker.layout.stubs + number * STUB,
            0,
            format!("{name} (jump stub)"),
        ));
    }
    for (index, symbol) in linker.object.symbols.iter().enumerate() {
        let rank = match symbol.kind {
            elf::STT_FUNC => 3,
            elf::STT_OBJECT | elf::STT_COMMON => 2,
            elf::STT_NOTYPE => 1,
            _ => continue,
        };
        if symbol.name.is_empty() || !is_inside(linker.object, symbol.place) {
            continue;
        }
        if let Some(address) = linker.symbol_address(index) {
            ranked.push((address, rank, symbol.name.to_owned()));
        }
    }
    ranked.sort();
    ranked
        .into_iter()
        .map(|(address, _, name)| (address, name))
        .collect()
}

/// Whether a symbol names bytes of the image. A symbol at the end of its section names those of the
/// next section.
fn is_inside(object: &Object, place: Place) -> bool {
    match place {
        Place::Section { index, offset } => offset < object.sections[index].size,
        Place::Common { size, .. } => size != 0,
        Place::Absolute(_) | Place::Undefined => false,
    }
}
