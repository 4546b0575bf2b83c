//! The ioctl(2) requests of `/dev/echo`, for the driver and for programs.

use freebsd_kernel::ioctl::{io, ior, iow};

/// Gets the size of the buffer, in bytes.
pub const ECHODEV_GBUFSIZE: u64 = ior::<usize>(b'E', 100);

/// Sets the size of the buffer, in bytes, 0 to `hw.echodev.maxsize`. EPERM on a descriptor that is
/// not open for writing. EINVAL above the limit. EBUSY if more bytes are held. ENOMEM if there is
/// not enough memory.
pub const ECHODEV_SBUFSIZE: u64 = iow::<usize>(b'E', 101);

/// [`ECHODEV_GBUFSIZE`] of a 32-bit program, whose `size_t` has 4 bytes. EOVERFLOW if the size
/// does not fit.
pub const ECHODEV_GBUFSIZE32: u64 = ior::<u32>(b'E', 100);

/// [`ECHODEV_SBUFSIZE`] of a 32-bit program.
pub const ECHODEV_SBUFSIZE32: u64 = iow::<u32>(b'E', 101);

/// Discards the bytes held. EPERM on a descriptor that is not open for writing.
pub const ECHODEV_CLEAR: u64 = io(b'E', 102);

/// Gets the number of bytes held, at most `INT_MAX`. `<sys/filio.h>`.
pub const FIONREAD: u64 = ior::<i32>(b'f', 127);

/// Sets or clears O_NONBLOCK. Every F_SETFL also sends it. `<sys/filio.h>`.
pub const FIONBIO: u64 = iow::<i32>(b'f', 126);

/// Sets or clears O_ASYNC. Every F_SETFL also sends it. `<sys/filio.h>`.
pub const FIOASYNC: u64 = iow::<i32>(b'f', 125);

/// Gets the number of bytes that there is room for, at most `INT_MAX`. `<sys/filio.h>`.
pub const FIONWRITE: u64 = ior::<i32>(b'f', 119);
