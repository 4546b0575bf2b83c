//! User buffers for the calls of a case, of which a part may be out of reach.

use crate::freebsd::files::Iovec;
use crate::freebsd::mapping::{Mapping, PAGE};
use crate::hungmap::HungPage;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use suite::sys::{Memory, Reach};

/// A buffer of `len` bytes at `address`.
pub struct Buffer {
    store: Store,
    len: usize,
    /// The bytes within reach.
    good: Range<usize>,
}

/// The memory of the bytes.
enum Store {
    Heap(Vec<u8>),
    Mapped(Mapping),
    Hung(HungPage),
}

impl Buffer {
    /// A zeroed buffer. Panics if the kernel has no memory for it.
    pub fn new(len: usize, reach: Reach) -> Self {
        let pages = |bytes: usize| bytes.div_ceil(PAGE);
        let mapped = |before, good, after| {
            Store::Mapped(
                Mapping::new(before, good, after)
                    .unwrap_or_else(|error| panic!("mmap of {len} bytes: {error}")),
            )
        };
        let (store, good) = match reach {
            Reach::All => (Store::Heap(vec![0; len]), 0..len),
            Reach::First(n) => (mapped(0, pages(n), pages(len - n) + 1), 0..n),
            Reach::Last(n) => (mapped(pages(len - n) + 1, pages(n), 1), len - n..len),
            Reach::Hung => {
                assert!(len <= PAGE, "memory that hangs is one page");
                let page = HungPage::new().unwrap_or_else(|error| panic!("/dev/hungmap: {error}"));
                (Store::Hung(page), 0..len)
            }
        };
        Self { store, len, good }
    }

    /// The buffer for a call that only reads it.
    pub fn iovec(&self) -> Iovec {
        let base = match &self.store {
            Store::Heap(bytes) => bytes.as_ptr() as usize,
            Store::Mapped(mapping) if self.good.start == 0 => mapping.good_end() - self.good.end,
            Store::Mapped(mapping) => mapping.good_start() - self.good.start,
            Store::Hung(page) => page.hung.address(),
        };
        Iovec {
            base,
            len: self.len,
        }
    }

    /// The buffer for a call that writes to it.
    pub fn iovec_mut(&mut self) -> Iovec {
        let mut iovec = self.iovec();
        if let Store::Heap(bytes) = &mut self.store {
            iovec.base = bytes.as_mut_ptr() as usize;
        }
        iovec
    }

    /// The offset of the bytes within reach in the accessible pages.
    fn place(&self, mapping: &Mapping) -> Range<usize> {
        let start = self.iovec().base + self.good.start - mapping.good_start();
        start..start + self.good.len()
    }
}

impl Memory for Buffer {
    fn set(&mut self, bytes: &[u8]) {
        let bytes = &bytes[self.good.clone()];
        let place = match &self.store {
            Store::Mapped(mapping) => self.place(mapping),
            Store::Heap(_) | Store::Hung(_) => self.good.clone(),
        };
        match &mut self.store {
            Store::Heap(buffer) => buffer[place].copy_from_slice(bytes),
            Store::Mapped(mapping) => mapping.bytes_mut()[place].copy_from_slice(bytes),
            Store::Hung(page) => page.view.set(bytes),
        }
    }

    fn get(&self) -> Vec<u8> {
        match &self.store {
            Store::Heap(bytes) => bytes.clone(),
            Store::Mapped(mapping) => mapping.bytes()[self.place(mapping)].to_vec(),
            Store::Hung(page) => {
                let mut bytes = vec![0; self.len];
                page.view.get(&mut bytes);
                bytes
            }
        }
    }
}
