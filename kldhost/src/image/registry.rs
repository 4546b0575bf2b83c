//! Which addresses belong to module images: a table that a signal handler can read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::LoadError;

/// Images in memory at a time.
const SLOTS: usize = 4096;

/// Start in the upper half, end in the lower half, both below 2^32; 0 is a free slot. One word
/// each, so that no reader sees half a change.
static IMAGES: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];

/// Marks a range of addresses as module code, until [`Registration::end`] or drop.
pub(super) struct Registration {
    slot: usize,
    ended: AtomicBool,
}

impl Registration {
    /// Registers `size` bytes at `start`, all below 2^32.
    ///
    /// # Errors
    ///
    /// [`LoadError::TooManyImages`] when the table is full.
    pub fn new(start: usize, size: usize) -> Result<Registration, LoadError> {
        debug_assert!(size > 0 && start + size <= u32::MAX as usize);
        let range = (start as u64) << 32 | (start + size) as u64;
        let free = |slot: &AtomicU64| {
            slot.compare_exchange(0, range, Ordering::Release, Ordering::Relaxed)
                .is_ok()
        };
        match IMAGES.iter().position(free) {
            Some(slot) => Ok(Registration {
                slot,
                ended: AtomicBool::new(false),
            }),
            None => Err(LoadError::TooManyImages(SLOTS)),
        }
    }

    /// Frees the slot, once: another image may have it afterwards.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::AcqRel) {
            IMAGES[self.slot].store(0, Ordering::Release);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether `address` is in a registered image. Takes no lock.
pub(crate) fn is_module(address: usize) -> bool {
    IMAGES.iter().any(|slot| {
        let range = slot.load(Ordering::Acquire);
        ((range >> 32) as usize..range as u32 as usize).contains(&address)
    })
}
