//! User memory of the programs.

use super::call::Buffer;
use kldhost::{UserIn, UserMem, UserOut};

/// User memory, of which a part may be out of reach.
pub enum Memory {
    Plain(Vec<u8>),
    Head(UserMem, usize),
    Nowhere(usize),
}

impl Memory {
    /// Zeroes.
    pub fn new(buffer: Buffer) -> Memory {
        match buffer {
            Buffer::All(len) => Memory::Plain(vec![0; len]),
            Buffer::Head(good, more) => Memory::Head(UserMem::new(good), good + more),
            Buffer::Nowhere(len) => Memory::Nowhere(len),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Memory::Plain(bytes) => bytes.len(),
            Memory::Head(_, len) | Memory::Nowhere(len) => *len,
        }
    }

    /// Fills the part within reach with the first of these bytes.
    pub fn fill(&mut self, bytes: &[u8]) {
        match self {
            Memory::Plain(own) => {
                let len = own.len().min(bytes.len());
                own[..len].copy_from_slice(&bytes[..len]);
            }
            Memory::Head(good, _) => good.store(0, &bytes[..good.len().min(bytes.len())]),
            Memory::Nowhere(_) => {}
        }
    }

    /// The bytes within reach.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Memory::Plain(bytes) => bytes.clone(),
            Memory::Head(good, _) => good.load(),
            Memory::Nowhere(_) => Vec::new(),
        }
    }

    pub fn out(&mut self) -> UserOut<'_> {
        match self {
            Memory::Plain(bytes) => bytes.into(),
            Memory::Head(good, len) => good.out(..*len),
            Memory::Nowhere(len) => UserOut::unmapped(*len),
        }
    }

    pub fn input(&self) -> UserIn<'_> {
        match self {
            Memory::Plain(bytes) => bytes.into(),
            Memory::Head(good, len) => good.input(..*len),
            Memory::Nowhere(len) => UserIn::unmapped(*len),
        }
    }
}
