//! The memory for the kernel and the other files, which are placed one after another.

/// The first of the kernel's virtual addresses, where physical address 0 is mapped.
pub const KERNBASE: u64 = 0xffff_ffff_8000_0000;

/// The physical address that every kernel is linked for.
pub const KERNLOAD: u64 = 0x20_0000;

const PAGE: usize = 4096;

/// Something does not fit between [`KERNLOAD`] and the loader.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// Physical memory from [`KERNLOAD`] on, used from its start.
pub struct Staging<'m> {
    memory: &'m mut [u8],
    used: usize,
}

impl<'m> Staging<'m> {
    /// `memory` is the memory at [`KERNLOAD`].
    pub fn new(memory: &'m mut [u8]) -> Self {
        Self { memory, used: 0 }
    }

    /// `len` zeroed bytes at the physical address `at`, even if memory before it is still free.
    pub fn reserve(&mut self, at: u64, len: usize) -> Result<&mut [u8], Full> {
        let start = usize::try_from(at.checked_sub(KERNLOAD).ok_or(Full)?).map_err(|_| Full)?;
        let end = start.checked_add(len).ok_or(Full)?;
        let piece = self.memory.get_mut(start..end).ok_or(Full)?;
        self.used = self.used.max(end);
        piece.fill(0);
        Ok(piece)
    }

    /// Copies `bytes` to the beginning of free memory. Returns their physical address.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, Full> {
        let at = self.end();
        self.reserve(at, bytes.len())?.copy_from_slice(bytes);
        Ok(at)
    }

    /// Advances to a multiple of `alignment`, a power of two.
    pub fn align(&mut self, alignment: usize) {
        self.used = self.used.next_multiple_of(alignment);
    }

    /// Advances to a page boundary.
    pub fn align_page(&mut self) {
        self.align(PAGE);
    }

    /// The physical address of free memory.
    pub fn end(&self) -> u64 {
        KERNLOAD + self.used as u64
    }
}
