//! The ioctl(2) requests of `/dev/echo`: one definition for the driver, kldhost and echoctl.
//!
//! A request is encoded as in FreeBSD's `<sys/ioccom.h>`: the direction in the three top bits, the
//! size of the argument in bits 16 to 28, the group in bits 8 to 15 and the number in bits 0 to 7.

const IOC_VOID: u64 = 0x2000_0000;
const IOC_OUT: u64 = 0x4000_0000;
const IOC_IN: u64 = 0x8000_0000;
const IOCPARM_MASK: u64 = (1 << 13) - 1;

const fn ioc(direction: u64, group: u8, number: u8, len: usize) -> u64 {
    direction | ((len as u64 & IOCPARM_MASK) << 16) | ((group as u64) << 8) | number as u64
}

/// `_IOR('E', 100, size_t)`: get the size of the buffer, in bytes.
pub const ECHODEV_GBUFSIZE: u64 = ioc(IOC_OUT, b'E', 100, size_of::<usize>());

/// `_IOW('E', 101, size_t)`: set the size of the buffer, in bytes: 0 to `hw.echodev.maxsize`. EPERM
/// on a descriptor that is not open for writing, EBUSY if more bytes are held, EINVAL above the
/// limit, ENOMEM if there is not enough memory.
pub const ECHODEV_SBUFSIZE: u64 = ioc(IOC_IN, b'E', 101, size_of::<usize>());

/// [`ECHODEV_GBUFSIZE`] of a 32-bit program, whose `size_t` has 4 bytes. EOVERFLOW if the size does
/// not fit.
pub const ECHODEV_GBUFSIZE32: u64 = ioc(IOC_OUT, b'E', 100, size_of::<u32>());

/// [`ECHODEV_SBUFSIZE`] of a 32-bit program.
pub const ECHODEV_SBUFSIZE32: u64 = ioc(IOC_IN, b'E', 101, size_of::<u32>());

/// `_IO('E', 102)`: discard the bytes held. EPERM on a descriptor that is not open for writing.
pub const ECHODEV_CLEAR: u64 = ioc(IOC_VOID, b'E', 102, 0);

/// `_IOR('f', 127, int)`, `<sys/filio.h>`: get the number of bytes held, at most `INT_MAX`.
pub const FIONREAD: u64 = ioc(IOC_OUT, b'f', 127, size_of::<i32>());

/// `_IOW('f', 126, int)`, `<sys/filio.h>`: set or clear O_NONBLOCK. Sent by every F_SETFL, too.
pub const FIONBIO: u64 = ioc(IOC_IN, b'f', 126, size_of::<i32>());

/// `_IOW('f', 125, int)`, `<sys/filio.h>`: set or clear O_ASYNC. Sent by every F_SETFL, too.
pub const FIOASYNC: u64 = ioc(IOC_IN, b'f', 125, size_of::<i32>());

/// `_IOR('f', 119, int)`, `<sys/filio.h>`: here, the number of bytes that there is room for, at
/// most `INT_MAX`.
pub const FIONWRITE: u64 = ioc(IOC_OUT, b'f', 119, size_of::<i32>());
