//! Follows pointers in a file that has not been loaded. The target of a pointer is in its
//! relocation.

use object::elf;

use super::elf::{Object, Place};
use super::error::{LoadError, unsupported};

/// The target of a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// A place in a section; `offset` is at most its size.
    Section { index: usize, offset: u64 },
    /// A symbol that the module does not define.
    Import(usize),
}

impl<'a> Object<'a> {
    /// The pointer at `offset` in section `index`; `None` where no relocation makes one.
    pub fn pointer(&self, index: usize, offset: u64) -> Option<Target> {
        let relocations = &self.sections[index].relocations;
        let first = relocations.partition_point(|relocation| relocation.offset < offset);
        let relocation = relocations
            .get(first)
            .filter(|relocation| relocation.offset == offset)?;
        if relocation.kind != elf::R_X86_64_64 {
            return None;
        }
        match self.symbols[relocation.symbol].place {
            Place::Section { index, offset } => {
                let offset = offset.checked_add_signed(relocation.addend)?;
                (offset <= self.sections[index].size).then_some(Target::Section { index, offset })
            }
            Place::Undefined => Some(Target::Import(relocation.symbol)),
            Place::Absolute(_) | Place::Common { .. } => None,
        }
    }

    /// `N` bytes of the file, at `offset` in section `index`.
    pub fn bytes_at<const N: usize>(&self, index: usize, offset: u64) -> Option<[u8; N]> {
        let rest = self.sections[index]
            .data
            .get(usize::try_from(offset).ok()?..)?;
        rest.first_chunk().copied()
    }

    /// The `int` at `offset` in section `index`.
    pub fn int_at(&self, index: usize, offset: u64) -> Option<i32> {
        self.bytes_at(index, offset).map(i32::from_le_bytes)
    }

    /// The C string that the pointer at `offset` in section `index` points to; `None` unless it is
    /// short and printable.
    pub fn string_at(&self, index: usize, offset: u64) -> Option<&'a str> {
        const STRING_MAX: usize = 1024;
        let Target::Section { index, offset } = self.pointer(index, offset)? else {
            return None;
        };
        let rest = self.sections[index]
            .data
            .get(usize::try_from(offset).ok()?..)?;
        let rest = &rest[..rest.len().min(STRING_MAX)];
        let string = std::ffi::CStr::from_bytes_until_nul(rest)
            .ok()?
            .to_str()
            .ok()?;
        (!string.contains(char::is_control)).then_some(string)
    }

    /// The entries of a linker set, in order; none when the module has no such set. An entry that
    /// no relocation fills in is `None`.
    ///
    /// # Errors
    ///
    /// [`LoadError::Unsupported`] for a set that is larger than any module's.
    pub fn set_entries(&self, set: &str) -> Result<Vec<Option<Target>>, LoadError> {
        const ENTRIES_MAX: u64 = 1 << 16;
        let Some(index) = self.loaded_section(&format!("set_{set}")) else {
            return Ok(Vec::new());
        };
        let size = self.sections[index].data.len() as u64;
        if size / 8 > ENTRIES_MAX {
            return Err(unsupported(format!(
                "section set_{set} has more than {ENTRIES_MAX} entries"
            )));
        }
        Ok((0..size)
            .step_by(8)
            .map(|offset| self.pointer(index, offset))
            .collect())
    }
}
