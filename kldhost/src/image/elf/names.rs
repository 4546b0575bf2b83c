//! Tables of names.

use std::ffi::CStr;

/// The longest symbol or section name accepted, in bytes.
const NAME_MAX: usize = 4096;

/// A table of names. Names may share bytes, so a small file could cause any amount of work. The
/// number of bytes that are read from a table is therefore bounded for the table as a whole.
pub struct Names<'a> {
    table: &'a [u8],
    /// Bytes that may still be read.
    budget: usize,
}

impl<'a> Names<'a> {
    /// The names in `table`, of a file with these bytes.
    pub fn new(table: &'a [u8], bytes: &[u8]) -> Names<'a> {
        // Merged strings do share bytes, but not many of them.
        Names {
            table,
            budget: bytes.len().saturating_mul(4),
        }
    }

    /// The name at `offset`; `None` unless it is short and printable UTF-8, as every compiler makes
    /// them.
    pub fn at(&mut self, offset: u32) -> Option<&'a str> {
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
