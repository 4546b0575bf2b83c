//! Descriptors.

use super::raw::{Result, syscall};
use core::ffi::CStr;
use suite::sys::Fd;

const SYS_READ: usize = 3;
const SYS_WRITE: usize = 4;
const SYS_OPEN: usize = 5;
const SYS_CLOSE: usize = 6;
const SYS_UNLINK: usize = 10;
const SYS_CHDIR: usize = 12;
const SYS_DUP: usize = 41;
const SYS_IOCTL: usize = 54;
const SYS_REVOKE: usize = 56;
const SYS_DUP2: usize = 90;
const SYS_FCNTL: usize = 92;
const SYS_READV: usize = 120;
const SYS_WRITEV: usize = 121;
const SYS_PREAD: usize = 475;
const SYS_PWRITE: usize = 476;
const SYS_PIPE2: usize = 542;
const SYS_FSTATAT: usize = 552;

const AT_FDCWD: isize = -100;
const F_GETFL: usize = 3;
const F_SETFL: usize = 4;

/// User memory for a system call. In some cases, the address is out of reach, and the call fails
/// with EFAULT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Iovec {
    /// Its address.
    pub base: usize,
    /// Its length in bytes.
    pub len: usize,
}

/// open(2) of an existing file.
pub fn open(path: &CStr, flags: i32) -> Result<Fd> {
    // SAFETY: only reads the path.
    Ok(unsafe { syscall(SYS_OPEN, [path.as_ptr() as usize, flags as usize, 0]) }? as Fd)
}

/// close(2)
pub fn close(fd: Fd) -> Result<()> {
    // SAFETY: does not touch memory; this program owns descriptors by number only.
    unsafe { syscall(SYS_CLOSE, [fd as usize]) }.map(drop)
}

/// dup(2)
pub fn dup(fd: Fd) -> Result<Fd> {
    // SAFETY: does not touch memory.
    Ok(unsafe { syscall(SYS_DUP, [fd as usize]) }? as Fd)
}

/// dup2(2)
pub fn dup2(from: Fd, onto: Fd) -> Result<Fd> {
    // SAFETY: does not touch memory.
    Ok(unsafe { syscall(SYS_DUP2, [from as usize, onto as usize]) }? as Fd)
}

/// pipe(2). Returns the end for reading and the end for writing.
pub fn pipe() -> Result<(Fd, Fd)> {
    let mut fds = [0 as Fd; 2];
    // SAFETY: writes two descriptors.
    unsafe { syscall(SYS_PIPE2, [fds.as_mut_ptr() as usize, 0]) }?;
    Ok((fds[0], fds[1]))
}

/// read(2)
///
/// # Safety
///
/// The part of `into` within reach is memory that only the caller uses.
pub unsafe fn read(fd: Fd, into: Iovec) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { syscall(SYS_READ, [fd as usize, into.base, into.len]) }
}

/// readv(2)
///
/// # Safety
///
/// As for [`read`].
pub unsafe fn readv(fd: Fd, into: &[Iovec]) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { syscall(SYS_READV, [fd as usize, into.as_ptr() as usize, into.len()]) }
}

/// pread(2)
///
/// # Safety
///
/// As for [`read`].
pub unsafe fn pread(fd: Fd, into: Iovec, offset: i64) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe {
        syscall(
            SYS_PREAD,
            [fd as usize, into.base, into.len, offset as usize],
        )
    }
}

/// write(2)
pub fn write(fd: Fd, from: Iovec) -> Result<usize> {
    // SAFETY: only reads memory.
    unsafe { syscall(SYS_WRITE, [fd as usize, from.base, from.len]) }
}

/// writev(2)
pub fn writev(fd: Fd, from: &[Iovec]) -> Result<usize> {
    // SAFETY: only reads memory.
    unsafe {
        syscall(
            SYS_WRITEV,
            [fd as usize, from.as_ptr() as usize, from.len()],
        )
    }
}

/// pwrite(2)
pub fn pwrite(fd: Fd, from: Iovec, offset: i64) -> Result<usize> {
    // SAFETY: only reads memory.
    unsafe {
        syscall(
            SYS_PWRITE,
            [fd as usize, from.base, from.len, offset as usize],
        )
    }
}

/// ioctl(2)
///
/// # Safety
///
/// `argument` has the length that `request` encodes, and only the caller uses the part within
/// reach.
pub unsafe fn ioctl(fd: Fd, request: u64, argument: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { syscall(SYS_IOCTL, [fd as usize, request as usize, argument]) }.map(drop)
}

/// tcdrain(3)
pub fn drain(terminal: Fd) {
    const TIOCDRAIN: usize = 0x2000_745e;
    // SAFETY: a request without an argument. It does not wait if the file is not a terminal.
    let _ = unsafe { syscall(SYS_IOCTL, [terminal as usize, TIOCDRAIN, 0]) };
}

/// fcntl(2), F_GETFL
pub fn get_flags(fd: Fd) -> Result<i32> {
    // SAFETY: does not touch memory.
    Ok(unsafe { syscall(SYS_FCNTL, [fd as usize, F_GETFL]) }? as i32)
}

/// fcntl(2), F_SETFL
pub fn set_flags(fd: Fd, flags: i32) -> Result<()> {
    // SAFETY: does not touch memory.
    unsafe { syscall(SYS_FCNTL, [fd as usize, F_SETFL, flags as usize]) }.map(drop)
}

/// revoke(2)
pub fn revoke(path: &CStr) -> Result<()> {
    // SAFETY: only reads the path.
    unsafe { syscall(SYS_REVOKE, [path.as_ptr() as usize]) }.map(drop)
}

/// The beginning of `struct stat`, and room for the rest.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Stat {
    device: u64,
    inode: u64,
    links: u64,
    /// File type and permission bits.
    pub mode: u16,
    padding: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    padding_1: u32,
    device_of_special: u64,
    times: [u64; 8],
    size: u64,
    rest: [u32; 26],
}

/// stat(2)
pub fn stat(path: &CStr) -> Result<Stat> {
    let mut stat = Stat::default();
    // SAFETY: reads the path, and writes a `struct stat`, 224 bytes.
    unsafe {
        syscall(
            SYS_FSTATAT,
            [
                AT_FDCWD as usize,
                path.as_ptr() as usize,
                &raw mut stat as usize,
                0,
            ],
        )
    }?;
    Ok(stat)
}

/// The length of a file.
pub fn len(path: &CStr) -> Result<usize> {
    Ok(stat(path)?.size as usize)
}

/// chdir(2)
pub fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: only reads the path.
    unsafe { syscall(SYS_CHDIR, [path.as_ptr() as usize]) }.map(drop)
}

/// unlink(2)
pub fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: only reads the path.
    unsafe { syscall(SYS_UNLINK, [path.as_ptr() as usize]) }.map(drop)
}

const _: () = assert!(size_of::<Stat>() == 224);
