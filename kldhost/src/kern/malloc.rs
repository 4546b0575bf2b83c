//! malloc(9), with the checks of redzone(9) and memguard(9): guards on both sides of each block,
//! and freed memory that is kept for a while to see whether it is written to.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::collections::{BTreeMap, HashMap, VecDeque};

use super::lock::c_string;
use super::report::Stop;
use super::thread::Thread;
use super::{Inner, Leak, MallocBlock, MallocStats};
use crate::kpi::layout::{M_WAITOK, M_ZERO, MallocType};
use crate::sync::Mutex;

/// Bytes checked on either side of a block; the one before it grows with the alignment.
const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;
/// What FreeBSD fills freed memory with: 0xdeadc0de, over and over.
static JUNK: [u32; 256] = [0xdead_c0de_u32.to_le(); 256];
/// So many bytes of freed memory are kept.
const QUARANTINE: usize = 8 << 20;
/// Of larger freed blocks, only so many bytes are junk and checked.
const CHECKED: usize = 64 << 10;
const PAGE: usize = 4096;

/// The malloc(9) memory of a kernel.
pub struct Heap(Mutex<State>);

impl Heap {
    /// The heap of a machine with so many bytes of memory.
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

#[derive(Clone, Copy)]
struct Block {
    size: usize,
    malloc_type: usize,
    sequence: u64,
    /// Where it was allocated, later where it was freed.
    place: usize,
    layout: Layout,
    /// Bytes in front of the block, in its layout.
    before: usize,
}

// SAFETY: the addresses are of memory that this module owns; what is in it is the module's
// business.
unsafe impl Send for State {}

/// The bytes of [`JUNK`].
fn junk() -> &'static [u8] {
    // SAFETY: any initialised memory can be read as bytes.
    unsafe { std::slice::from_raw_parts((&raw const JUNK).cast(), size_of_val(&JUNK)) }
}

impl Block {
    fn new(size: usize, malloc_type: usize, sequence: u64, place: usize) -> Option<Block> {
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
    fn allocate(&self, zero: bool) -> Option<usize> {
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

    fn fill_with_junk(&self, addr: usize) {
        // SAFETY: within the block at `addr`, which the caller owns.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(addr as *mut u8, self.size.min(CHECKED)) };
        for piece in bytes.chunks_mut(size_of_val(&JUNK)) {
            piece.copy_from_slice(&junk()[..piece.len()]);
        }
    }

    /// How far outside of the block at `addr` the nearest byte is that was overwritten: negative in
    /// front of it.
    fn overrun(&self, addr: usize) -> Option<isize> {
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
    fn written_after_free(&self, addr: usize) -> Option<usize> {
        // SAFETY: the block is in the quarantine: still allocated.
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

    fn release(&self, addr: usize) {
        // SAFETY: allocated with this layout, `before` bytes in front of the address.
        unsafe { dealloc((addr - self.before) as *mut u8, self.layout) };
    }
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

/// What is wrong with memory: a message, the type, and where that memory was allocated or freed.
struct Damage {
    message: String,
    object: Option<String>,
}

impl Inner {
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

    /// `malloc_uninit`: says what is left.
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
        let block = fits.then(|| Block::new(size, key, heap.sequence, super::pcpu::caller()));
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
            format!("M_WAITOK of {size} bytes, more than the machine has left: waits without end");
        Err(td.misuse(call, message, name))
    }

    /// `free`. A null pointer is fine.
    pub fn free(&self, td: &Thread, call: &str, addr: usize, ty: &MallocType) -> Result<(), Stop> {
        if addr == 0 {
            return Ok(());
        }
        let block = self.check_block(td, call, addr, ty)?;
        let within = |a: usize| (addr..addr + block.size).contains(&a);
        let object = |kernel: &Inner| kernel.heap.0.lock().name(block.malloc_type);
        if self.selinfo_in_use(within) {
            return Err(td.misuse(
                call,
                "a selinfo in this memory still has waiters: seldrain(9)",
                object(self),
            ));
        }
        if self.knlist_in_use(within) {
            return Err(td.misuse(
                call,
                "a knlist in this memory still has knotes",
                object(self),
            ));
        }
        if self.kqueues.any_note(within) {
            return Err(td.misuse(
                call,
                "knotes still refer to a filter's table in this memory",
                object(self),
            ));
        }
        if let Some((_, other)) = self.sleepq.sleepers(within).first() {
            let message = format!(
                "thread {} of process {} waits on this memory",
                other.tid,
                other.pid()
            );
            return Err(td.misuse(call, message, object(self)));
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
        heap.freed_bytes += block.layout.size();
        heap.freed.push_back((
            addr,
            Block {
                place: super::pcpu::caller(),
                ..block
            },
        ));
        let mut damage = None;
        while heap.freed_bytes > QUARANTINE
            && let Some((addr, block)) = heap.freed.pop_front()
        {
            heap.freed_bytes -= block.layout.size();
            damage = damage.or_else(|| self.freed_damage(&heap, addr, &block));
            block.release(addr);
        }
        drop(heap);
        damage.map_or(Ok(()), |damage| {
            Err(td.misuse(call, damage.message, damage.object))
        })
    }

    /// The block at `addr`, which must be in use, undamaged, and of this type.
    fn check_block(
        &self,
        td: &Thread,
        call: &str,
        addr: usize,
        ty: &MallocType,
    ) -> Result<Block, Stop> {
        let heap = self.heap.0.lock();
        let object = heap
            .name(std::ptr::from_ref(ty).addr())
            .or_else(|| c_string(ty.ks_shortdesc));
        let damage = match heap.blocks.get(&addr) {
            Some(block) if block.malloc_type != std::ptr::from_ref(ty).addr() => {
                let other = heap.name(block.malloc_type).unwrap_or_default();
                Damage {
                    message: format!("the memory is of another malloc type, \"{other}\""),
                    object,
                }
            }
            Some(block) => match self.overrun_damage(&heap, addr, block) {
                Some(damage) => damage,
                None => return Ok(*block),
            },
            None => {
                let freed = heap.freed.iter().rev().find(|(freed, _)| *freed == addr);
                let message = match freed {
                    Some((_, block)) => format!(
                        "the memory was freed before, at {}",
                        self.place(block.place)
                    ),
                    None => "malloc(9) did not return this address".to_string(),
                };
                Damage { message, object }
            }
        };
        drop(heap);
        Err(td.misuse(call, damage.message, damage.object))
    }

    fn overrun_damage(&self, heap: &State, addr: usize, block: &Block) -> Option<Damage> {
        let at = block.overrun(addr)?;
        let message = format!(
            "byte {at} of a block of {} bytes was written to; it was allocated at {}",
            block.size,
            self.place(block.place)
        );
        Some(Damage {
            message,
            object: heap.name(block.malloc_type),
        })
    }

    fn freed_damage(&self, heap: &State, addr: usize, block: &Block) -> Option<Damage> {
        let object = heap.name(block.malloc_type);
        let where_freed = format!(
            "of a block of {} bytes that was freed at {}",
            block.size,
            self.place(block.place)
        );
        let message = match (block.written_after_free(addr), block.overrun(addr)) {
            (Some(at), _) => format!("byte {at} {where_freed} was written to after that"),
            (None, Some(at)) => format!("byte {at} {where_freed} was written to"),
            (None, None) => return None,
        };
        Some(Damage { message, object })
    }

    /// `realloc`: keeps what fits.
    pub fn realloc(
        &self,
        td: &Thread,
        call: &str,
        addr: usize,
        size: usize,
        ty: &MallocType,
        flags: i32,
    ) -> Result<usize, Stop> {
        if addr == 0 {
            return self.malloc(td, call, size, ty, flags);
        }
        let block = self.check_block(td, call, addr, ty)?;
        let new = self.malloc(td, call, size, ty, flags)?;
        if new != 0 {
            // SAFETY: both blocks are in use, and at least that long.
            unsafe { (new as *mut u8).copy_from(addr as *const u8, size.min(block.size)) };
            self.free(td, call, addr, ty)?;
        }
        Ok(new)
    }

    /// Damage that has not come out yet.
    pub fn check_memory(&self, td: &Thread, call: &str) -> Result<(), Stop> {
        let heap = self.heap.0.lock();
        let in_use = heap
            .blocks
            .iter()
            .find_map(|(&addr, block)| self.overrun_damage(&heap, addr, block));
        let damage = in_use.or_else(|| {
            heap.freed
                .iter()
                .find_map(|(addr, b)| self.freed_damage(&heap, *addr, b))
        });
        drop(heap);
        damage.map_or(Ok(()), |damage| {
            Err(td.misuse_at(0, call, damage.message, damage.object))
        })
    }

    /// Gives back the freed memory of types at these addresses: the module is gone, so nobody
    /// writes to it any more.
    pub fn end_quarantine(&self, of_type: impl Fn(usize) -> bool) {
        let mut heap = self.heap.0.lock();
        let all = std::mem::take(&mut heap.freed).into_iter();
        let (gone, kept): (VecDeque<_>, _) = all.partition(|(_, block)| of_type(block.malloc_type));
        heap.freed = kept;
        for (addr, block) in gone {
            heap.freed_bytes -= block.layout.size();
            block.release(addr);
        }
    }

    /// See [`super::Kernel::malloc_stats`].
    pub fn malloc_stats(&self, name: &str) -> MallocStats {
        let heap = self.heap.0.lock();
        let of_name = heap.types.values().filter(|ty| ty.name == name);
        of_name.fold(MallocStats::default(), |sum, ty| MallocStats {
            allocations: sum.allocations + ty.stats.allocations,
            bytes: sum.bytes + ty.stats.bytes,
        })
    }

    /// See [`super::Kernel::malloc_blocks`].
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

    /// The malloc(9) memory that an address is in, for people: `devbuf+0x10`.
    pub fn block_name(&self, addr: usize) -> Option<String> {
        let heap = self.heap.0.lock();
        let (start, block) = heap.block_at(addr)?;
        Some(format!(
            "{}+{:#x}",
            heap.name(block.malloc_type)?,
            addr - start
        ))
    }

    /// See [`super::Kernel::leaks`].
    pub fn leaks(&self) -> Vec<Leak> {
        self.heap.0.lock().leaks.clone()
    }

    /// Calls `body` with the memory at `addr`, if all `len` bytes are in one block in use, which
    /// stays in use meanwhile.
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
