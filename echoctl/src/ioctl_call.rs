//! The ioctl(2) requests of the device. This is the only `unsafe` code here, because no crate can
//! check how a request uses its argument.
//!
//! The requests are those of [`echodev::ioctl`], encoded as this system's `_IO`, `_IOR` and `_IOW`
//! do. Linux puts size and direction in other bits than FreeBSD. A FUSE mount there needs the
//! encoding of Linux, or the kernel would copy the wrong bytes.

use crate::{Errno, Side};
use echodev::ioctl;
use nix::libc::{FIONREAD, c_int};
use nix::sys::ioctl::ioctl_num_type;
use nix::{request_code_none, request_code_read, request_code_write};
use std::os::fd::{AsRawFd as _, BorrowedFd};

const GBUFSIZE: ioctl_num_type = request_code_read!(
    group(ioctl::ECHODEV_GBUFSIZE),
    number(ioctl::ECHODEV_GBUFSIZE),
    size_of::<usize>()
);
const SBUFSIZE: ioctl_num_type = request_code_write!(
    group(ioctl::ECHODEV_SBUFSIZE),
    number(ioctl::ECHODEV_SBUFSIZE),
    size_of::<usize>()
);
const CLEAR: ioctl_num_type =
    request_code_none!(group(ioctl::ECHODEV_CLEAR), number(ioctl::ECHODEV_CLEAR));
const FIONWRITE: ioctl_num_type = request_code_read!(
    group(ioctl::FIONWRITE),
    number(ioctl::FIONWRITE),
    size_of::<c_int>()
);

/// In every encoding, the two low bytes are the group and the number.
const fn group(request: u64) -> u8 {
    (request >> 8) as u8
}

const fn number(request: u64) -> u8 {
    request as u8
}

#[cfg(target_os = "freebsd")]
const _: () = assert!(
    GBUFSIZE == ioctl::ECHODEV_GBUFSIZE
        && SBUFSIZE == ioctl::ECHODEV_SBUFSIZE
        && CLEAR == ioctl::ECHODEV_CLEAR
        && FIONREAD == ioctl::FIONREAD
        && FIONWRITE == ioctl::FIONWRITE
);

mod raw {
    use super::{CLEAR, FIONREAD, FIONWRITE, GBUFSIZE, SBUFSIZE, c_int};

    nix::ioctl_read_bad!(gbufsize, GBUFSIZE, usize);
    nix::ioctl_write_ptr_bad!(sbufsize, SBUFSIZE, usize);
    nix::ioctl_none_bad!(clear, CLEAR);
    nix::ioctl_read_bad!(fionread, FIONREAD, c_int);
    nix::ioctl_read_bad!(fionwrite, FIONWRITE, c_int);
}

/// `ECHODEV_GBUFSIZE`, the size of the buffer in bytes. The errors are those of the device. On
/// other devices, they are ENOTTY and others.
pub fn buffer_size(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let mut size = 0;
    // SAFETY: the request's code encodes that a `size_t` is stored, and `size` is one. A device
    // that uses the same code for something else stores no more than the code encodes.
    unsafe { raw::gbufsize(fd.as_raw_fd(), &mut size) }?;
    Ok(size)
}

/// `ECHODEV_SBUFSIZE`, which sets the size of the buffer in bytes. EPERM, EBUSY, EINVAL.
pub fn set_buffer_size(fd: BorrowedFd<'_>, size: usize) -> Result<(), Errno> {
    // SAFETY: the request reads a `size_t`, and `size` is one.
    unsafe { raw::sbufsize(fd.as_raw_fd(), &size) }.map(drop)
}

/// `ECHODEV_CLEAR`, which discards the bytes held. EPERM.
pub fn clear(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: the request has no argument.
    unsafe { raw::clear(fd.as_raw_fd()) }.map(drop)
}

/// `FIONREAD` or `FIONWRITE`, the bytes to read or the room in bytes.
pub fn bytes(fd: BorrowedFd<'_>, side: Side) -> Result<i32, Errno> {
    let request = match side {
        Side::Read => raw::fionread,
        Side::Write => raw::fionwrite,
    };
    let mut bytes = 0;
    // SAFETY: both requests store an `int`, and `bytes` is one.
    unsafe { request(fd.as_raw_fd(), &mut bytes) }?;
    Ok(bytes)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_encoding_of_linux() {
        assert_eq!(
            [GBUFSIZE, SBUFSIZE, CLEAR, FIONWRITE],
            [0x8008_4564, 0x4008_4565, 0x4566, 0x8004_6677]
        );
    }
}
