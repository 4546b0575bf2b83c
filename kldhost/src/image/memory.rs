//! Memory for an image: below 2 GB, where all relocations reach.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::ptr::NonNull;

use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use super::layout::PAGE;

/// Pages of this process, readable and writable at first, unmapped on drop. An inaccessible page
/// follows them, and stops accesses beyond the end.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: a mapping is memory of the process, not of a thread; shared references to this type touch
// none of it.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `size` bytes of zeros, a multiple of the page size.
    ///
    /// # Errors
    ///
    /// Errors of mmap(2) and mprotect(2): ENOMEM when the low 2 GB are full.
    pub fn new(size: usize) -> Result<Mapping, Errno> {
        let length = NonZeroUsize::new(size + PAGE).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_32BIT;
        // SAFETY: a new anonymous mapping at an address of the system's choice affects no other
        // memory.
        let start = unsafe {
            mmap_anonymous(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
            )?
        };
        let mapping = Mapping {
            start: start.cast(),
            size,
        };
        mapping.protect(size..size + PAGE, ProtFlags::PROT_NONE)?;
        Ok(mapping)
    }

    /// The address of the first byte; at most 2^31.
    pub fn address(&self) -> usize {
        self.start.as_ptr() as usize
    }

    /// The bytes, as long as nothing has been protected and no module runs in them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `size` bytes, initialized by the system; `self` is its only owner.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.size) }
    }

    /// Changes the protection of a range of whole pages, which may be empty.
    ///
    /// # Errors
    ///
    /// Errors of mprotect(2).
    pub fn protect(&self, range: Range<usize>, protection: ProtFlags) -> Result<(), Errno> {
        assert!(range.end <= self.size + PAGE && range.start.is_multiple_of(PAGE));
        if range.is_empty() {
            return Ok(());
        }
        // SAFETY: the range is in this mapping, and no reference into it exists.
        unsafe { mprotect(self.start.add(range.start).cast(), range.len(), protection) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: nothing outlives the owner of the image. The range is exactly the mapped one.
        let unmapped = unsafe { munmap(self.start.cast(), self.size + PAGE) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}
