//! A block of malloc(9) memory with its guards, and the pattern of freed memory.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};

/// Bytes checked on either side of a block; the one before it grows with the alignment.
const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;
/// The pattern of freed memory in FreeBSD: 0xdeadc0de, repeated.
static JUNK: [u32; 256] = [0xdead_c0de_u32.to_le(); 256];
/// Of larger freed blocks, only this number of bytes is filled with junk and checked.
const CHECKED: usize = 64 << 10;
const PAGE: usize = 4096;

/// A block of malloc(9) memory, in use or freed.
#[derive(Clone, Copy)]
pub struct Block {
    /// The requested bytes.
    pub size: usize,
    /// The address of its type.
    pub malloc_type: usize,
    /// Grows with each block.
    pub sequence: u64,
    /// Where it was allocated, later where it was freed.
    pub place: usize,
    layout: Layout,
    /// Bytes before the block, in its layout.
    before: usize,
}

/// The bytes of [`JUNK`].
fn junk() -> &'static [u8] {
    // SAFETY: any initialised memory can be read as bytes.
    unsafe { std::slice::from_raw_parts((&raw const JUNK).cast(), size_of_val(&JUNK)) }
}

impl Block {
    /// Bytes of the system's memory that it takes, guards included.
    pub fn footprint(&self) -> usize {
        self.layout.size()
    }

    /// A block of this size; `None` if it is too large for any machine.
    pub fn new(size: usize, malloc_type: usize, sequence: u64, place: usize) -> Option<Block> {
        // FreeBSD's sizes are powers of two, so aligned, up to a page.
        let align = size.checked_next_power_of_two()?.clamp(16, PAGE);
        let before = GUARD.max(align);
        let layout = Layout::from_size_align(size.checked_add(before + GUARD)?, align).ok()?;
        Some(Block {
            size,
            malloc_type,
            sequence,
            place,
            layout,
            before,
        })
    }

    /// Allocates it, and writes the guards; the address of the memory between them.
    pub fn allocate(&self, zero: bool) -> Option<usize> {
        // SAFETY: the layout is not empty.
        let base = unsafe {
            if zero {
                alloc_zeroed(self.layout)
            } else {
                alloc(self.layout)
            }
        };
        if base.is_null() {
            return None;
        }
        // SAFETY: all within the layout.
        unsafe {
            base.write_bytes(GUARD_BYTE, self.before);
            base.add(self.before + self.size)
                .write_bytes(GUARD_BYTE, GUARD);
        }
        let addr = base.addr() + self.before;
        if !zero {
            self.fill_with_junk(addr);
        }
        Some(addr)
    }

    /// Fills the memory at `addr`, the block, as FreeBSD does when it is freed.
    pub fn fill_with_junk(&self, addr: usize) {
        // SAFETY: within the block at `addr`, which the caller owns.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, self.size.min(CHECKED)) };
        for piece in bytes.chunks_mut(size_of_val(&JUNK)) {
            piece.copy_from_slice(&junk()[..piece.len()]);
        }
    }

    /// The offset of the nearest overwritten byte outside of the block at `addr`. It is negative
    /// before the block.
    pub fn overrun(&self, addr: usize) -> Option<isize> {
        // SAFETY: the guards belong to the block.
        let (before, after) = unsafe {
            (
                std::slice::from_raw_parts((addr - self.before) as *const u8, self.before),
                std::slice::from_raw_parts((addr + self.size) as *const u8, GUARD),
            )
        };
        let behind = after
            .iter()
            .position(|&byte| byte != GUARD_BYTE)
            .map(|at| (self.size + at) as isize);
        let in_front = before
            .iter()
            .rev()
            .position(|&byte| byte != GUARD_BYTE)
            .map(|at| -(at as isize) - 1);
        behind.or(in_front)
    }

    /// The offset of a byte of the freed block that was written to.
    pub fn written_after_free(&self, addr: usize) -> Option<usize> {
        // SAFETY: the block is in the quarantine, so it is still allocated.
        let bytes =
            unsafe { std::slice::from_raw_parts(addr as *const u8, self.size.min(CHECKED)) };
        let pieces = bytes.chunks(size_of_val(&JUNK));
        let (number, piece) = pieces
            .enumerate()
            .find(|(_, piece)| **piece != junk()[..piece.len()])?;
        let at = piece
            .iter()
            .zip(junk())
            .position(|(byte, junk)| byte != junk)?;
        Some(number * size_of_val(&JUNK) + at)
    }

    /// Returns the memory at `addr`, the block, to the system.
    pub fn release(&self, addr: usize) {
        // SAFETY: allocated with this layout, `before` bytes before the address.
        unsafe { dealloc((addr - self.before) as *mut u8, self.layout) };
    }
}
