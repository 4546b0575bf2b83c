//! malloc(9), with the checks of redzone(9) and memguard(9): guards on both sides of each block,
//! and freed memory that is kept for a while to see whether it is written to.

mod block;
mod damage;
mod stats;

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Kern;
use super::lock::c_string;
use super::report::Stop;
use super::thread::Thread;
use crate::abi::layout::{M_WAITOK, M_ZERO, MallocType};
use crate::machine::pcpu;
use crate::machine::sync::Mutex;
use block::Block;

pub use stats::{Leak, MallocBlock, MallocStats};

/// The number of bytes of freed memory that are kept.
const QUARANTINE: usize = 8 << 20;

/// The malloc(9) memory of a kernel.
pub struct Heap(Mutex<State>);

impl Heap {
    /// The heap of a machine with this number of bytes of memory.
    pub fn new(memory: usize) -> Heap {
        let mut state = State::default();
        state.left = memory;
        Heap(Mutex::new(state))
    }
}

#[derive(Default)]
struct State {
    /// Bytes of the machine's memory that no block has.
    left: usize,
    blocks: BTreeMap<usize, Block>,
    types: HashMap<usize, Type>,
    freed: VecDeque<(usize, Block)>,
    freed_bytes: usize,
    sequence: u64,
    leaks: Vec<Leak>,
}

/// A malloc(9) type.
#[derive(Clone, Default)]
struct Type {
    name: String,
    stats: MallocStats,
}

impl State {
    /// The block in use that `addr` is in.
    fn block_at(&self, addr: usize) -> Option<(usize, Block)> {
        let (&start, &block) = self.blocks.range(..=addr).next_back()?;
        (addr < start + block.size.max(1)).then_some((start, block))
    }

    fn name(&self, malloc_type: usize) -> Option<String> {
        self.types.get(&malloc_type).map(|t| t.name.clone())
    }
}

impl Kern {
    /// `malloc_init`.
    pub fn malloc_init(&self, malloc_type: &MallocType) {
        let name = c_string(malloc_type.ks_shortdesc).unwrap_or_default();
        let known = Type {
            name,
            stats: MallocStats::default(),
        };
        self.heap
            .0
            .lock()
            .types
            .insert(std::ptr::from_ref(malloc_type).addr(), known);
    }

    /// `malloc_uninit`: reports memory that is still in use.
    pub fn malloc_uninit(&self, malloc_type: &MallocType) {
        let gone = self
            .heap
            .0
            .lock()
            .types
            .remove(&std::ptr::from_ref(malloc_type).addr());
        let Some(Type { name, stats }) = gone else {
            return;
        };
        if stats.allocations > 0 {
            self.console.print(&format!(
                "Warning: memory type {name} leaked memory on destroy ({} allocations, {} bytes leaked).\n",
                stats.allocations, stats.bytes
            ));
            self.heap.0.lock().leaks.push(Leak {
                malloc_type: name,
                stats,
            });
        }
    }

    /// `malloc`: null only without `M_WAITOK`.
    pub fn malloc(
        &self,
        td: &Thread,
        call: &str,
        size: usize,
        ty: &MallocType,
        flags: i32,
    ) -> Result<usize, Stop> {
        if flags & M_WAITOK != 0 {
            td.check_may_sleep(call, 0)?;
        }
        let key = std::ptr::from_ref(ty).addr();
        let mut heap = self.heap.0.lock();
        if !heap.types.contains_key(&key) {
            drop(heap);
            return Err(td.misuse(
                call,
                "the malloc type is not initialised, or destroyed",
                None,
            ));
        }
        heap.sequence += 1;
        let fits = size <= heap.left;
        let block = fits.then(|| Block::new(size, key, heap.sequence, pcpu::caller()));
        let addr = block
            .flatten()
            .and_then(|block| Some((block.allocate(flags & M_ZERO != 0)?, block)));
        if let Some((addr, block)) = addr {
            heap.left -= size;
            heap.blocks.insert(addr, block);
            if let Some(known) = heap.types.get_mut(&key) {
                known.stats.allocations += 1;
                known.stats.bytes += size;
            }
            return Ok(addr);
        }
        let name = heap.name(key);
        drop(heap);
        if flags & M_WAITOK == 0 {
            return Ok(0);
        }
        let message =
            format!("M_WAITOK of {size} bytes, more than the machine has left: waits forever");
        Err(td.misuse(call, message, name))
    }

    /// `free` of the block at `addr`, as returned by [`Kern::check_block`]. No thread may sleep on
    /// an address in it.
    pub fn free(&self, td: &Thread, call: &str, addr: usize, mut block: Block) -> Result<(), Stop> {
        let within = |a: usize| (addr..addr + block.size).contains(&a);
        if let Some((_, other)) = self.sleepq.sleepers(within).first() {
            let message = format!(
                "thread {} of process {} waits on this memory",
                other.tid,
                other.pid()
            );
            return Err(td.misuse(call, message, self.type_of(&block)));
        }
        self.witness.memory_gone(within);
        block.fill_with_junk(addr);
        let mut heap = self.heap.0.lock();
        heap.blocks.remove(&addr);
        heap.left += block.size;
        if let Some(known) = heap.types.get_mut(&block.malloc_type) {
            known.stats.allocations -= 1;
            known.stats.bytes -= block.size;
        }
        heap.freed_bytes += block.footprint();
        block.place = pcpu::caller();
        heap.freed.push_back((addr, block));
        let mut damage = None;
        while heap.freed_bytes > QUARANTINE
            && let Some((addr, block)) = heap.freed.pop_front()
        {
            heap.freed_bytes -= block.footprint();
            damage = damage.or_else(|| self.freed_damage(&heap, addr, &block));
            block.release(addr);
        }
        drop(heap);
        damage.map_or(Ok(()), |damage| {
            Err(td.misuse(call, damage.message, damage.object))
        })
    }

    /// The name of the type of a block.
    pub fn type_of(&self, block: &Block) -> Option<String> {
        self.heap.0.lock().name(block.malloc_type)
    }

    /// Releases the freed memory of types at these addresses. Their module is unloaded, so it
    /// cannot write to that memory.
    pub fn end_quarantine(&self, of_type: impl Fn(usize) -> bool) {
        let mut heap = self.heap.0.lock();
        let all = std::mem::take(&mut heap.freed).into_iter();
        let (gone, kept): (VecDeque<_>, _) = all.partition(|(_, block)| of_type(block.malloc_type));
        heap.freed = kept;
        for (addr, block) in gone {
            heap.freed_bytes -= block.footprint();
            block.release(addr);
        }
    }

    /// Calls `body` with the memory at `addr`, if all `len` bytes are in one block in use. The
    /// block cannot be freed during the call.
    pub fn with_memory<T>(
        &self,
        addr: usize,
        len: usize,
        body: impl FnOnce(*mut u8) -> T,
    ) -> Option<T> {
        let heap = self.heap.0.lock();
        let (start, block) = heap.block_at(addr)?;
        let fits = addr.checked_add(len)? <= start + block.size;
        fits.then(|| body(addr as *mut u8))
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for (&addr, block) in &self.blocks {
            block.release(addr);
        }
        for (addr, block) in &self.freed {
            block.release(*addr);
        }
    }
}
