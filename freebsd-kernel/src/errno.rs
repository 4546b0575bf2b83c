//! Error numbers, errno(2), `<sys/errno.h>`.
#![doc = concat!("```ignore\n", include_str!("../examples/errno.rs"), "```")]

use core::ffi::c_int;
use core::num::{NonZero, TryFromIntError};
use freebsd_kernel_sys as sys;

/// An error of the kernel: any `int` but 0. Negative ones, such as ERESTART (-1), never leave the
/// kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(NonZero<c_int>);

/// The result of a kernel function: nothing or a value, or an errno.
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
    /// No such file or directory.
    ENOENT,
    /// Interrupted system call.
    EINTR,
    /// Input/output error.
    EIO,
    /// Device not configured. The device is going away.
    ENXIO,
    /// Cannot allocate memory.
    ENOMEM,
    /// Bad address.
    EFAULT,
    /// Device busy.
    EBUSY,
    /// File exists.
    EEXIST,
    /// Operation not supported by device.
    ENODEV,
    /// Invalid argument.
    EINVAL,
    /// Inappropriate ioctl for device.
    ENOTTY,
    /// No space left on device.
    ENOSPC,
    /// Operation not supported.
    EOPNOTSUPP,
    /// Value too large to be stored in data type.
    EOVERFLOW,
    /// The system call is restarted, or returns a short count if bytes were moved. User programs
    /// never see it.
    ERESTART,
    /// Resource temporarily unavailable. The same number as EAGAIN.
    EWOULDBLOCK,
}

impl Errno {
    /// The number itself.
    pub fn number(self) -> c_int {
        self.0.get()
    }
}

/// A number that does not fit is EOVERFLOW.
impl From<TryFromIntError> for Errno {
    fn from(_: TryFromIntError) -> Self {
        Self::EOVERFLOW
    }
}

/// The result that a C function returned as a number, where 0 is success.
pub(crate) fn from_c(error: c_int) -> Result {
    match NonZero::new(error) {
        None => Ok(()),
        Some(error) => Err(Errno(error)),
    }
}

/// A result as C returns it, where 0 is success.
pub(crate) fn to_c(result: Result) -> c_int {
    result.err().map_or(0, Errno::number)
}
