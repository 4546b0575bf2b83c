//! Memory of which a part is out of reach, and pages of devices.

use super::raw::{Result, syscall};
use core::slice;
use suite::sys::Fd;

const SYS_MUNMAP: usize = 73;
const SYS_MPROTECT: usize = 74;
const SYS_MADVISE: usize = 75;
const SYS_MMAP: usize = 477;

const PROT_NONE: usize = 0;
const PROT_READ_WRITE: usize = 3;
const MAP_SHARED: usize = 1;
const MAP_PRIVATE_ANON: usize = 0x1002;
const MADV_NOCORE: usize = 8;

/// The size of a page.
pub const PAGE: usize = 4096;

/// A mapping of some pages, of which a part is accessible. It is unmapped when dropped.
pub struct Mapping {
    start: usize,
    pages: usize,
    good: core::ops::Range<usize>,
}

impl Mapping {
    /// `before` pages out of reach, then `good` pages that are zeroed, then `after` pages out of
    /// reach.
    pub fn new(before: usize, good: usize, after: usize) -> Result<Self> {
        let pages = before + good + after;
        let arguments = [0, pages * PAGE, PROT_NONE, MAP_PRIVATE_ANON, usize::MAX, 0];
        // SAFETY: new pages at an address that the kernel chooses touch nothing that is in use.
        let start = unsafe { syscall(SYS_MMAP, arguments) }?;
        let mapping = Self {
            start,
            pages,
            good: before * PAGE..(before + good) * PAGE,
        };
        if good > 0 {
            // SAFETY: pages of this mapping.
            unsafe {
                syscall(
                    SYS_MPROTECT,
                    [start + mapping.good.start, good * PAGE, PROT_READ_WRITE],
                )
            }?;
        }
        Ok(mapping)
    }

    /// The address of the first accessible page.
    pub fn good_start(&self) -> usize {
        self.start + self.good.start
    }

    /// The address after the last accessible page.
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
        // SAFETY: nothing borrows the pages any more. It cannot fail for mapped pages.
        let _ = unsafe { syscall(SYS_MUNMAP, [self.start, self.pages * PAGE]) };
    }
}

/// A page of a device. It is unmapped when dropped.
pub struct DevicePage {
    start: usize,
}

impl DevicePage {
    /// Page `number` of the device.
    pub fn new(device: Fd, number: usize) -> Result<Self> {
        let arguments = [
            0,
            PAGE,
            PROT_READ_WRITE,
            MAP_SHARED,
            device as usize,
            number * PAGE,
        ];
        // SAFETY: a new page at an address that the kernel chooses touches nothing that is in use.
        let start = unsafe { syscall(SYS_MMAP, arguments) }?;
        Ok(Self { start })
    }

    /// Its address.
    pub fn address(&self) -> usize {
        self.start
    }

    /// Copies `bytes` to the beginning of the page.
    pub fn set(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= PAGE, "more than a page");
        // SAFETY: the page is mapped, there is no reference to it, and the bytes fit into it.
        unsafe { (self.start as *mut u8).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    /// Copies the beginning of the page to `bytes`.
    pub fn get(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= PAGE, "more than a page");
        // SAFETY: as in `set`; any bytes are valid.
        unsafe { (self.start as *const u8).copy_to(bytes.as_mut_ptr(), bytes.len()) };
    }
}

impl Drop for DevicePage {
    fn drop(&mut self) {
        // SAFETY: nothing refers to the page. It cannot fail for a page that is mapped.
        let _ = unsafe { syscall(SYS_MUNMAP, [self.start, PAGE]) };
    }
}

/// madvise(2). Excludes the memory from core files of this process and its later children.
pub fn not_in_cores(start: usize, len: usize) -> Result<()> {
    // SAFETY: changes nothing of the memory.
    unsafe { syscall(SYS_MADVISE, [start, len, MADV_NOCORE]) }.map(drop)
}
