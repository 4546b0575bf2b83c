//! The ioctl(2) request codes of `/dev/echo`, one definition for driver, kldhost and echoctl.
//!
//! FreeBSD encodes a request as in `<sys/ioccom.h>`: direction bits, the argument's size in bits 16 to 28, the group in
//! bits 8 to 15, the number in bits 0 to 7. Linux differs (`<asm-generic/ioctl.h>`): 14 bits of size, and the direction
//! in bits 30 and 31 with read and write the other way round; [`linux`] gives the same requests in that form.

/// No argument (`IOC_VOID`).
pub const IOC_VOID: u64 = 0x2000_0000;
/// The argument is copied out to the caller (`IOC_OUT`).
pub const IOC_OUT: u64 = 0x4000_0000;
/// The argument is copied in from the caller (`IOC_IN`).
pub const IOC_IN: u64 = 0x8000_0000;
/// The largest argument: 13 bits of size (`IOCPARM_MASK`).
pub const IOCPARM_MASK: u64 = (1 << 13) - 1;

const fn ioc(inout: u64, group: u8, num: u8, len: usize) -> u64 {
    inout | ((len as u64 & IOCPARM_MASK) << 16) | ((group as u64) << 8) | num as u64
}

/// Bytes of argument that a request carries (`IOCPARM_LEN`), 0 to 8191.
pub const fn iocparm_len(request: u64) -> usize {
    ((request >> 16) & IOCPARM_MASK) as usize
}

/// `_IOR('E', 100, size_t)`: get the buffer size in bytes.
pub const ECHODEV_GBUFSIZE: u64 = ioc(IOC_OUT, b'E', 100, size_of::<usize>());
/// `_IOW('E', 101, size_t)`: set the buffer size in bytes. EPERM without FWRITE, EBUSY below the bytes held, EINVAL above
/// `hw.echodev.maxsize`.
pub const ECHODEV_SBUFSIZE: u64 = ioc(IOC_IN, b'E', 101, size_of::<usize>());
/// `_IO('E', 102)`: discard all bytes held. EPERM without FWRITE.
pub const ECHODEV_CLEAR: u64 = ioc(IOC_VOID, b'E', 102, 0);
/// `_IOW('f', 126, int)`, `<sys/filio.h>`: set or clear non-blocking I/O.
pub const FIONBIO: u64 = ioc(IOC_IN, b'f', 126, size_of::<i32>());
/// `_IOW('f', 125, int)`, `<sys/filio.h>`: set or clear signal-driven I/O.
pub const FIOASYNC: u64 = ioc(IOC_IN, b'f', 125, size_of::<i32>());
/// `_IOR('f', 127, int)`, `<sys/filio.h>`: bytes that can be read at once.
pub const FIONREAD: u64 = ioc(IOC_OUT, b'f', 127, size_of::<i32>());
/// `_IOR('f', 119, int)`, `<sys/filio.h>`: bytes of output held. For this device: bytes that can be written at once is
/// [`FIONSPACE`]'s business on sockets; the echo device answers `FIONWRITE` with the room left.
pub const FIONWRITE: u64 = ioc(IOC_OUT, b'f', 119, size_of::<i32>());
