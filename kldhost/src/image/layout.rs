//! The place of each section of a module in its image.
//!
//! The image has three parts, each on its own pages: executable, read-only, and writable.

use std::ops::Range;

use object::elf;

use super::elf::{Object, Place, SIZE_MAX};
use super::error::{LoadError, unsupported};

/// The unit of memory protection, and the largest alignment of a section.
pub(crate) const PAGE: usize = 4096;
/// Bytes of a jump stub.
pub(crate) const STUB: usize = 16;

/// Offsets from the start of the image.
pub(crate) struct Layout {
    /// For each section, unless it is not loaded.
    pub sections: Vec<Option<usize>>,
    /// For each symbol that is common storage.
    pub commons: Vec<Option<usize>>,
    /// The first jump stub.
    pub stubs: usize,
    pub text: Range<usize>,
    pub constants: Range<usize>,
    pub data: Range<usize>,
}

impl Layout {
    /// Arranges a module that needs `stubs` jump stubs.
    ///
    /// # Errors
    ///
    /// [`LoadError::Unsupported`] when the image would be too large, or when a section needs
    /// something that no image has.
    pub fn new(object: &Object, stubs: usize) -> Result<Layout, LoadError> {
        for section in object.sections.iter().filter(|section| section.is_loaded()) {
            if section.is_executable() && section.is_writable() {
                return Err(unsupported(format!(
                    "section {} is both writable and executable",
                    section.name
                )));
            }
            if section.flags.0 & elf::SHF_TLS.0 != 0 {
                return Err(unsupported(format!(
                    "section {} is thread-local storage",
                    section.name
                )));
            }
        }
        let mut layout = Layout {
            sections: vec![None; object.sections.len()],
            commons: vec![None; object.symbols.len()],
            stubs: 0,
            text: 0..0,
            constants: 0..0,
            data: 0..0,
        };
        let mut end = End(0);
        layout.place_sections(object, &mut end, |executable, _| executable)?;
        layout.stubs = end.place((stubs * STUB) as u64, STUB as u64, "the jump stubs")?;
        layout.text = end.close_part(0);
        layout.place_sections(object, &mut end, |executable, writable| {
            !executable && !writable
        })?;
        layout.constants = end.close_part(layout.text.end);
        layout.place_sections(object, &mut end, |_, writable| writable)?;
        layout.place_commons(object, &mut end)?;
        layout.data = end.close_part(layout.constants.end);
        Ok(layout)
    }

    /// Bytes of the whole image, a multiple of the page size.
    pub fn size(&self) -> usize {
        self.data.end
    }

    fn place_sections(
        &mut self,
        object: &Object,
        end: &mut End,
        belongs: impl Fn(bool, bool) -> bool,
    ) -> Result<(), LoadError> {
        for (index, section) in object.sections.iter().enumerate() {
            if section.is_loaded() && belongs(section.is_executable(), section.is_writable()) {
                self.sections[index] =
                    Some(end.place(section.size, section.align, section.name)?);
            }
        }
        Ok(())
    }

    fn place_commons(&mut self, object: &Object, end: &mut End) -> Result<(), LoadError> {
        for (index, symbol) in object.symbols.iter().enumerate() {
            if let Place::Common { size, align } = symbol.place {
                self.commons[index] = Some(end.place(size, align, symbol.name)?);
            }
        }
        Ok(())
    }
}

/// The end of the image so far.
struct End(u64);

impl End {
    /// Room for `size` bytes at the next multiple of `align`, a power of two.
    fn place(&mut self, size: u64, align: u64, what: &str) -> Result<usize, LoadError> {
        if align > PAGE as u64 {
            return Err(unsupported(format!(
                "{what} needs an alignment of {align}, and the largest is {PAGE}"
            )));
        }
        let start = self.0.next_multiple_of(align);
        match start.checked_add(size) {
            Some(end) if end <= SIZE_MAX => {
                self.0 = end;
                Ok(start as usize)
            }
            _ => Err(unsupported(format!(
                "with {what} ({size} bytes) the module is larger than {} MiB in memory",
                SIZE_MAX >> 20
            ))),
        }
    }

    /// Fills up the last page of a part that began at `start`.
    fn close_part(&mut self, start: usize) -> Range<usize> {
        self.0 = self.0.next_multiple_of(PAGE as u64);
        start..self.0 as usize
    }
}
