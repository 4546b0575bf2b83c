//! How much malloc(9) memory is in use.

use super::block::Block;
use crate::kern::Kern;

/// Memory of one malloc(9) type in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MallocStats {
    /// Blocks in use.
    pub allocations: usize,
    /// Bytes requested for these.
    pub bytes: usize,
}

/// A block of malloc(9) memory in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MallocBlock {
    /// Its address.
    pub addr: usize,
    /// The requested bytes.
    pub size: usize,
}

/// Memory that was still in use when its malloc(9) type was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The name of the type.
    pub malloc_type: String,
    /// How much.
    pub stats: MallocStats,
}

impl Kern {
    /// See [`crate::Kernel::malloc_stats`].
    pub fn malloc_stats(&self, name: &str) -> MallocStats {
        let heap = self.heap.0.lock();
        let of_name = heap.types.values().filter(|ty| ty.name == name);
        of_name.fold(MallocStats::default(), |sum, ty| MallocStats {
            allocations: sum.allocations + ty.stats.allocations,
            bytes: sum.bytes + ty.stats.bytes,
        })
    }

    /// See [`crate::Kernel::malloc_blocks`].
    pub fn malloc_blocks(&self, name: &str) -> Vec<MallocBlock> {
        let heap = self.heap.0.lock();
        let named = |block: &Block| {
            heap.types
                .get(&block.malloc_type)
                .is_some_and(|ty| ty.name == name)
        };
        let mut blocks: Vec<_> = heap
            .blocks
            .iter()
            .filter(|(_, block)| named(block))
            .collect();
        blocks.sort_by_key(|(_, block)| block.sequence);
        blocks
            .iter()
            .map(|&(&addr, block)| MallocBlock {
                addr,
                size: block.size,
            })
            .collect()
    }

    /// The malloc(9) memory that an address is in, in readable form: `devbuf+0x10`.
    pub fn block_name(&self, addr: usize) -> Option<String> {
        let heap = self.heap.0.lock();
        let (start, block) = heap.block_at(addr)?;
        Some(format!(
            "{}+{:#x}",
            heap.name(block.malloc_type)?,
            addr - start
        ))
    }

    /// See [`crate::Kernel::leaks`].
    pub fn leaks(&self) -> Vec<Leak> {
        self.heap.0.lock().leaks.clone()
    }
}
