//! The buffers that a process passes to a system call: addresses and lengths.

use std::marker::PhantomData;

/// A piece of user memory that the kernel may write to: an ordinary `&mut [u8]`, or a range of a
/// [`UserMem`].
#[derive(Debug)]
pub struct UserOut<'a> {
    addr: *mut u8,
    len: usize,
    borrow: PhantomData<&'a mut [u8]>,
}

/// A piece of user memory that the kernel may read: an ordinary `&[u8]`, or a range of a
/// [`UserMem`].
#[derive(Debug, Clone, Copy)]
pub struct UserIn<'a> {
    addr: *const u8,
    len: usize,
    borrow: PhantomData<&'a [u8]>,
}

impl<'a> UserOut<'a> {
    /// For the lifetime `'a`, the memory must not be used by Rust code.
    pub(super) fn new(addr: *mut u8, len: usize) -> UserOut<'a> {
        UserOut {
            addr,
            len,
            borrow: PhantomData,
        }
    }
}

impl UserOut<'_> {
    /// Memory at an address where nothing is mapped: every access faults.
    pub fn unmapped(len: usize) -> UserOut<'static> {
        UserOut::new(std::ptr::without_provenance_mut(BAD_ADDRESS), len)
    }

    /// No memory: address 0, length 0.
    pub fn none() -> UserOut<'static> {
        UserOut::new(std::ptr::null_mut(), 0)
    }

    pub(crate) fn addr(&self) -> *mut u8 {
        self.addr
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'a> UserIn<'a> {
    /// As [`UserOut::new`].
    pub(super) fn new(addr: *const u8, len: usize) -> UserIn<'a> {
        UserIn {
            addr,
            len,
            borrow: PhantomData,
        }
    }
}

impl UserIn<'_> {
    /// Memory at an address where nothing is mapped: every access faults.
    pub fn unmapped(len: usize) -> UserIn<'static> {
        UserIn::new(std::ptr::without_provenance(BAD_ADDRESS), len)
    }

    pub(crate) fn addr(&self) -> *const u8 {
        self.addr
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The first page is never mapped (`vm.mmap_min_addr`).
const BAD_ADDRESS: usize = 16;

impl<'a> From<&'a mut [u8]> for UserOut<'a> {
    fn from(bytes: &'a mut [u8]) -> UserOut<'a> {
        UserOut::new(bytes.as_mut_ptr(), bytes.len())
    }
}

impl<'a, const N: usize> From<&'a mut [u8; N]> for UserOut<'a> {
    fn from(bytes: &'a mut [u8; N]) -> UserOut<'a> {
        bytes.as_mut_slice().into()
    }
}

impl<'a> From<&'a mut Vec<u8>> for UserOut<'a> {
    fn from(bytes: &'a mut Vec<u8>) -> UserOut<'a> {
        bytes.as_mut_slice().into()
    }
}

impl<'a> From<&'a [u8]> for UserIn<'a> {
    fn from(bytes: &'a [u8]) -> UserIn<'a> {
        UserIn::new(bytes.as_ptr(), bytes.len())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for UserIn<'a> {
    fn from(bytes: &'a [u8; N]) -> UserIn<'a> {
        bytes.as_slice().into()
    }
}

impl<'a> From<&'a Vec<u8>> for UserIn<'a> {
    fn from(bytes: &'a Vec<u8>) -> UserIn<'a> {
        bytes.as_slice().into()
    }
}
