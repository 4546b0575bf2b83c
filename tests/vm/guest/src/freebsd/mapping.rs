//! Memory of which a part is out of reach.

use core::slice;

use super::raw::{Result, syscall};

const SYS_MUNMAP: usize = 73;
const SYS_MPROTECT: usize = 74;
const SYS_MMAP: usize = 477;

const PROT_NONE: usize = 0;
const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANON: usize = 0x1002;

/// The size of a page.
pub const PAGE: usize = 4096;

/// Pages of its own, some of them accessible; unmapped when dropped.
pub struct Mapping {
    start: usize,
    pages: usize,
    good: core::ops::Range<usize>,
}

impl Mapping {
    /// `before` pages out of reach, then `good` pages that are zeroed, then `after` pages out of reach.
    pub fn new(before: usize, good: usize, after: usize) -> Result<Self> {
        let pages = before + good + after;
        let arguments = [0, pages * PAGE, PROT_NONE, MAP_PRIVATE_ANON, usize::MAX, 0];
        // SAFETY: new pages at an address that the kernel chooses touch nothing that is in use.
        let start = unsafe { syscall(SYS_MMAP, arguments) }?;
        let mapping = Self { start, pages, good: before * PAGE..(before + good) * PAGE };
        if good > 0 {
            // SAFETY: pages of this mapping.
            unsafe { syscall(SYS_MPROTECT, [start + mapping.good.start, good * PAGE, PROT_READ_WRITE]) }?;
        }
        Ok(mapping)
    }

    /// The address of the first accessible page.
    pub fn good_start(&self) -> usize {
        self.start + self.good.start
    }

    /// The address behind the last accessible page.
    pub fn good_end(&self) -> usize {
        self.start + self.good.end
    }

    /// The accessible bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: they are mapped, zeroed at first, and borrowed as `self` is.
        unsafe { slice::from_raw_parts(self.good_start() as *const u8, self.good.len()) }
    }

    /// The accessible bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.good_start() as *mut u8, self.good.len()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing borrows the pages any more. It cannot fail for pages that are mapped.
        let _ = unsafe { syscall(SYS_MUNMAP, [self.start, self.pages * PAGE]) };
    }
}
