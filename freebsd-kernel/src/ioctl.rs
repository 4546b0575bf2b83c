//! Requests of ioctl(2), `<sys/ioccom.h>`.
//!
//! A request encodes the direction and the size of its argument. The kernel copies the argument
//! between the program and its own memory, so a method reads and writes kernel memory only.
#![doc = concat!("```ignore\n", include_str!("../examples/ioctl.rs"), "```")]

use core::ffi::{c_int, c_ulong, c_void};
use core::marker::PhantomData;

const IOC_VOID: u64 = 0x2000_0000;
const IOC_OUT: u64 = 0x4000_0000;
const IOC_IN: u64 = 0x8000_0000;
const IOCPARM_SHIFT: u32 = 13;
const IOCPARM_MASK: u64 = (1 << IOCPARM_SHIFT) - 1;

const fn ioc(direction: u64, group: u8, number: u8, len: usize) -> u64 {
    assert!(len as u64 <= IOCPARM_MASK, "an argument of less than 8 KiB");
    direction | ((len as u64) << 16) | ((group as u64) << 8) | number as u64
}

/// `_IO(group, number)`: a request without argument.
pub const fn io(group: u8, number: u8) -> u64 {
    ioc(IOC_VOID, group, number, 0)
}

/// `_IOR(group, number, T)`: a request that returns a `T`.
pub const fn ior<T: Plain>(group: u8, number: u8) -> u64 {
    ioc(IOC_OUT, group, number, size_of::<T>())
}

/// `_IOW(group, number, T)`: a request that passes a `T`.
pub const fn iow<T: Plain>(group: u8, number: u8) -> u64 {
    ioc(IOC_IN, group, number, size_of::<T>())
}

/// A type of argument: any bytes are a value of it, and it has no padding.
///
/// # Safety
///
/// That is true of the type.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($number:ty)*) => {
        // SAFETY: any bytes are an integer, and integers have no padding.
        $(unsafe impl Plain for $number {})*
    };
}
plain!(i8 u8 i16 u16 i32 u32 i64 u64 isize usize);

// SAFETY: an array has no padding between its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The argument of a request, in kernel memory.
pub struct Data<'a> {
    cmd: u64,
    data: *mut c_void,
    argument: PhantomData<&'a mut c_void>,
}

impl Data<'_> {
    /// # Safety
    ///
    /// `cmd` and `data` are the arguments of a d_ioctl that has not returned while the value is
    /// used.
    pub(crate) unsafe fn new(cmd: c_ulong, data: *mut c_void) -> Self {
        Self {
            cmd,
            data,
            argument: PhantomData,
        }
    }

    /// Returns the value that the program passes. Panics if the request is not one that [`iow`]
    /// makes for this type.
    #[inline(always)]
    pub fn get<T: Plain>(&self) -> T {
        self.check::<T>(IOC_IN);
        // SAFETY: the argument has the size of a `T`, any bytes are one, and the kernel has copied
        // it to memory that is aligned for every type.
        unsafe { *self.data.cast::<T>() }
    }

    /// Sets the value that the program gets. Panics if the request is not one that [`ior`] makes
    /// for this type.
    #[inline(always)]
    pub fn set<T: Plain>(&mut self, value: T) {
        self.check::<T>(IOC_OUT);
        // SAFETY: the argument has the size of a `T`, in memory of the kernel that is aligned for
        // every type. Without padding, all of its bytes are set.
        unsafe { *self.data.cast::<T>() = value };
    }

    /// As [`Data::set`] for an `int`, at most `INT_MAX`.
    pub fn set_count(&mut self, count: usize) {
        self.set(c_int::try_from(count).unwrap_or(c_int::MAX));
    }

    #[inline(always)]
    fn check<T: Plain>(&self, direction: u64) {
        let fits = (self.cmd >> 16) & IOCPARM_MASK == size_of::<T>() as u64;
        assert!(
            fits && self.cmd & direction != 0,
            "a request without an argument of this type"
        );
    }
}
