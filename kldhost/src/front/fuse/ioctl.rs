//! Codes of ioctl(2): programs on the mount are compiled for Linux, which encodes the same requests
//! in its own way.
//!
//! Both put the number in bits 0 to 7, the group in bits 8 to 15 and the size of the data from bit
//! 16 on. Linux has 14 bits for the size and two for the direction above it; FreeBSD has 13 and
//! three.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::statfs::{FUSE_SUPER_MAGIC, fstatfs};

const LINUX_SIZE: u32 = (1 << 14) - 1;
const LINUX_WRITE: u32 = 1 << 30;
const LINUX_READ: u32 = 1 << 31;

const IOCPARM_MASK: u32 = (1 << 13) - 1;
const IOC_VOID: u64 = 0x2000_0000;
const IOC_OUT: u64 = 0x4000_0000;
const IOC_IN: u64 = 0x8000_0000;

/// FreeBSD's code for a request that Linux's `_IO`, `_IOR`, `_IOW` or `_IOWR` has encoded; `None`
/// if it has none, because its data is too large.
pub fn to_freebsd(request: u32) -> Option<u64> {
    let size = request >> 16 & LINUX_SIZE;
    if size > IOCPARM_MASK {
        return None;
    }
    let mut code = u64::from(size << 16 | request & 0xffff);
    if request & LINUX_WRITE != 0 {
        code |= IOC_IN;
    }
    if request & LINUX_READ != 0 {
        code |= IOC_OUT;
    }
    if request & (LINUX_WRITE | LINUX_READ) == 0 {
        code |= IOC_VOID;
    }
    Some(code)
}

fn to_linux(code: u64) -> Option<u32> {
    let mut request = (code & 0x1fff_ffff) as u32;
    if code & IOC_IN != 0 {
        request |= LINUX_WRITE;
    }
    if code & IOC_OUT != 0 {
        request |= LINUX_READ;
    }
    // Codes that are no such encoding, and codes of the other system, do not survive the round
    // trip.
    (to_freebsd(request) == Some(code)).then_some(request)
}

/// Makes an ioctl(2) on a file of a mount, for a program that has FreeBSD's code of the request.
/// `data` is the argument.
///
/// # Errors
///
/// ENOTTY: the file is not on a mount, or the code is not the encoding of a request. EINVAL: the
/// code requires more bytes than `data` has. Otherwise, the error of the module.
pub fn ioctl(file: impl AsFd, code: u64, data: &mut [u8]) -> Result<(), Errno> {
    let file = file.as_fd();
    let request = to_linux(code)
        .filter(|_| is_on_fuse(file))
        .ok_or(Errno::ENOTTY)?;
    if data.len() < (request >> 16 & LINUX_SIZE) as usize {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the FUSE driver accesses the number of bytes that is encoded in the request. `data`
    // has at least that many.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request.into(), data.as_mut_ptr()) };
    Errno::result(result).map(drop)
}

/// Only a file on FUSE may get the request. For the request of another driver, the access to memory
/// is unknown.
fn is_on_fuse(file: BorrowedFd<'_>) -> bool {
    fstatfs(file).is_ok_and(|status| status.filesystem_type() == FUSE_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_on_files_of_others() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(ioctl(file, 0x4008_4564, &mut [0; 8]), Err(Errno::ENOTTY));
    }

    #[test]
    fn codes() {
        assert_eq!(
            to_freebsd(0x8008_4564),
            Some(0x4008_4564),
            "_IOR('E', 100, size_t)"
        );
        assert_eq!(
            to_freebsd(0x4008_4565),
            Some(0x8008_4565),
            "_IOW('E', 101, size_t)"
        );
        assert_eq!(to_freebsd(0x0000_4566), Some(0x2000_4566), "_IO('E', 102)");
        assert_eq!(
            to_freebsd(0xc010_4567),
            Some(0xc010_4567),
            "_IOWR('E', 103, char[16])"
        );
        assert_eq!(
            to_freebsd(0xdfff_4567),
            Some(0xdfff_4567),
            "the largest data"
        );
        assert_eq!(
            to_freebsd(0xe000_4567),
            None,
            "data that FreeBSD cannot encode"
        );
        assert_eq!(to_linux(0x4008_4564), Some(0x8008_4564));
        assert_eq!(to_linux(0x8008_4565), Some(0x4008_4565));
        assert_eq!(to_linux(0x2000_4566), Some(0x0000_4566));
        assert_eq!(to_linux(0x0000_4566), None, "no direction");
        assert_eq!(to_linux(0x2_4008_4564), None, "more than 32 bits");
    }
}
