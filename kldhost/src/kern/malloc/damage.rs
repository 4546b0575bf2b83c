//! Damage of malloc(9) memory: the checks of redzone(9) and memguard(9).

use super::State;
use super::block::Block;
use crate::abi::layout::MallocType;
use crate::kern::Kern;
use crate::kern::lock::c_string;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

/// Damage: a message, and the malloc type.
pub struct Damage {
    /// The message.
    pub message: String,
    /// The type.
    pub object: Option<String>,
}

impl Kern {
    /// The block at `addr`, which must be in use, undamaged, and of this type.
    pub fn check_block(
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
                        "the memory was already freed, at {}",
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

    /// Damage of a block in use.
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

    /// Damage of a freed block.
    pub(super) fn freed_damage(&self, heap: &State, addr: usize, block: &Block) -> Option<Damage> {
        let object = heap.name(block.malloc_type);
        let where_freed = format!(
            "of a block of {} bytes that was freed at {}",
            block.size,
            self.place(block.place)
        );
        let message = match (block.written_after_free(addr), block.overrun(addr)) {
            (Some(at), _) => format!("byte {at} {where_freed} was written to afterwards"),
            (None, Some(at)) => format!("byte {at} {where_freed} was written to"),
            (None, None) => return None,
        };
        Some(Damage { message, object })
    }

    /// Checks for damage that has not been reported.
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
}
