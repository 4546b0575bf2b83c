//! Relocations: exactly the five types that the FreeBSD module loader applies on amd64.

use object::elf;

use super::elf::{Object, Place, Relocation, Section};
use super::error::LoadError;
use super::imports::{Import, Imports};
use super::layout::{Layout, STUB};

/// Whether the FreeBSD loader applies this type.
pub(crate) fn is_known(kind: elf::RelocationType) -> bool {
    matches!(
        kind,
        elf::R_X86_64_NONE
            | elf::R_X86_64_64
            | elf::R_X86_64_PC32
            | elf::R_X86_64_PLT32
            | elf::R_X86_64_32S
    )
}

/// The type's name, such as `R_X86_64_PC32`.
pub(crate) fn kind_name(kind: elf::RelocationType) -> String {
    match elf::NAMES_R_X86_64.name(kind) {
        Some(name) => name.to_owned(),
        None => format!("of type {}", kind.0),
    }
}

/// A [`LoadError::Relocation`] for `relocation` in the section named `section`.
pub(crate) fn error(
    object: &Object,
    section: &str,
    relocation: &Relocation,
    problem: &str,
) -> LoadError {
    let symbol = match object.symbol_name(relocation.symbol) {
        "" => "no symbol".to_owned(),
        name => name.to_owned(),
    };
    LoadError::Relocation {
        kind: kind_name(relocation.kind),
        symbol,
        place: format!("{section}+{:#x}", relocation.offset),
        problem: problem.to_owned(),
    }
}

/// A module being put together: `image` will be at the address `base`.
pub(crate) struct Linker<'a> {
    pub object: &'a Object<'a>,
    pub layout: &'a Layout,
    pub imports: &'a Imports<'a>,
    pub base: usize,
}

impl Linker<'_> {
    /// Fills in the sections' bytes and the jump stubs, and applies all relocations.
    ///
    /// # Errors
    ///
    /// [`LoadError::Relocation`] when one is outside of its section or does not reach its target.
    pub fn fill(&self, image: &mut [u8]) -> Result<(), LoadError> {
        for (section, start) in self.loaded() {
            image[start..start + section.data.len()].copy_from_slice(section.data);
        }
        for (index, (_, target)) in self.imports.stubs.iter().enumerate() {
            let start = self.layout.stubs + index * STUB;
            image[start..start + STUB].copy_from_slice(&stub(*target));
        }
        for (section, start) in self.loaded() {
            for relocation in &section.relocations {
                self.apply(section, start, relocation, image)
                    .map_err(|problem| error(self.object, section.name, relocation, problem))?;
            }
        }
        Ok(())
    }

    fn loaded(&self) -> impl Iterator<Item = (&Section<'_>, usize)> {
        self.object
            .sections
            .iter()
            .zip(&self.layout.sections)
            .filter_map(|(section, start)| Some((section, (*start)?)))
    }

    fn apply(
        &self,
        section: &Section,
        start: usize,
        relocation: &Relocation,
        image: &mut [u8],
    ) -> Result<(), &'static str> {
        if relocation.kind == elf::R_X86_64_NONE {
            return Ok(());
        }
        let width = if relocation.kind == elf::R_X86_64_64 {
            8
        } else {
            4
        };
        let end = relocation
            .offset
            .checked_add(width)
            .filter(|&end| end <= section.data.len() as u64);
        let end = start + end.ok_or("it is beyond the end of the section")? as usize;
        let place = end - width as usize;
        let symbol = self
            .symbol_address(relocation.symbol)
            .ok_or("the symbol has no address")?;
        let value = (symbol as i64).wrapping_add(relocation.addend);
        match relocation.kind {
            elf::R_X86_64_64 => image[place..end].copy_from_slice(&value.to_le_bytes()),
            elf::R_X86_64_32S => image[place..end].copy_from_slice(&narrow(value)?.to_le_bytes()),
            _ => {
                let distance = value.wrapping_sub((self.base + place) as i64);
                image[place..end].copy_from_slice(&narrow(distance)?.to_le_bytes());
            }
        }
        Ok(())
    }

    /// The address of a symbol that a relocation refers to.
    pub fn symbol_address(&self, index: usize) -> Option<usize> {
        match self.object.symbols[index].place {
            Place::Absolute(value) => Some(value as usize),
            Place::Common { .. } => Some(self.base + self.layout.commons[index]?),
            Place::Section { index, offset } => {
                Some(self.base + self.layout.sections[index]? + offset as usize)
            }
            Place::Undefined => match self.imports.of_symbol[index]? {
                Import::Address(address) => Some(address),
                Import::Stub(number) => Some(self.base + self.layout.stubs + number * STUB),
                Import::SectionStart(section) => Some(self.base + self.layout.sections[section]?),
                Import::SectionEnd(section) => Some(
                    self.base
                        + self.layout.sections[section]?
                        + self.object.sections[section].size as usize,
                ),
            },
        }
    }
}

fn narrow(value: i64) -> Result<i32, &'static str> {
    i32::try_from(value).map_err(|_| "the target is out of its reach of 2 GB")
}

/// `jmp *2(%rip); ud2; .quad target`: a jump from an image to any address.
fn stub(target: usize) -> [u8; STUB] {
    let mut stub = [0xff, 0x25, 2, 0, 0, 0, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0];
    stub[8..].copy_from_slice(&(target as u64).to_le_bytes());
    stub
}
