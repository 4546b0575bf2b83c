//! Error numbers, `<sys/errno.h>`, errno(2).

use core::ffi::c_int;
use core::num::NonZero;
use freebsd_kernel_sys as sys;

/// An error of the kernel: any `int` but 0, the negative ones that only the kernel sees (ERESTART,
/// -1) included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(NonZero<c_int>);

/// What a kernel function gives: nothing or a value, or an errno.
pub type Result<T = ()> = core::result::Result<T, Errno>;

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl Errno {
            $($(#[$doc])* pub const $name: Self = Self(NonZero::new(sys::$name).unwrap());)*
        }
    };
}

errnos! {
    /// Operation not permitted.
    EPERM,
    /// Device not configured: it is going away.
    ENXIO,
    /// Cannot allocate memory.
    ENOMEM,
    /// Device busy.
    EBUSY,
    /// Invalid argument.
    EINVAL,
    /// Inappropriate ioctl for device.
    ENOTTY,
    /// Value too large to be stored in data type.
    EOVERFLOW,
    /// Only the kernel sees it: the system call is made again, or, if bytes were moved, returns
    /// their count.
    ERESTART,
    /// Resource temporarily unavailable; the same number as EAGAIN.
    EWOULDBLOCK,
}

impl Errno {
    /// The number itself.
    pub fn number(self) -> c_int {
        self.0.get()
    }
}

/// What a C function returned, as a result: 0 is success.
pub fn from_c(error: c_int) -> Result {
    match NonZero::new(error) {
        None => Ok(()),
        Some(error) => Err(Errno(error)),
    }
}

/// A result as C returns it: 0 is success.
pub fn to_c(result: Result) -> c_int {
    result.err().map_or(0, Errno::number)
}
