//! The system calls that the suite makes, as one process sees them.

use crate::errno::Errno;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// A file descriptor.
pub type Fd = i32;

/// The timeout of poll(2), select(2) and kevent(2) in milliseconds. `None` waits without limit.
pub type Timeout = Option<u32>;

/// The part of a user buffer that a system call can access. Access to the rest fails with EFAULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Every byte.
    All,
    /// Only this many bytes at the beginning.
    First(usize),
    /// Only this many bytes at the end.
    Last(usize),
    /// Every byte, but the page fault on the first does not end until `Host::release_faults`.
    Hung,
}

/// A user buffer of some length, with a part that may be out of reach.
pub trait Memory {
    /// Copies `bytes`, one for each byte of the buffer, to the part within reach. The others are
    /// dropped.
    fn set(&mut self, bytes: &[u8]);
    /// The bytes within reach, in order.
    fn get(&self) -> Vec<u8>;
}

/// One entry of poll(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollFd {
    /// The descriptor. A negative one is ignored.
    pub fd: Fd,
    /// The requested events.
    pub events: i16,
    /// The returned events.
    pub revents: i16,
}

/// The three sets of select(2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdSets {
    /// Wait until one of these can be read.
    pub read: Vec<Fd>,
    /// Wait until one of these can be written.
    pub write: Vec<Fd>,
    /// Wait until one of these has an exceptional condition.
    pub except: Vec<Fd>,
}

/// `struct kevent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kevent {
    /// The descriptor.
    pub ident: u64,
    /// One of `EVFILT_*`.
    pub filter: i16,
    /// `EV_*` bits.
    pub flags: u16,
    /// Bits of the filter. With EV_EOF, an error number.
    pub fflags: u32,
    /// The filter's number, the bytes to read or the bytes of room.
    pub data: i64,
    /// An opaque value of the caller.
    pub udata: u64,
}

/// The action of a process for a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// The default action, which ends the process for the signals used here.
    Default,
    /// Nothing, as if it had not been sent.
    Ignore,
    /// Run a handler, and count.
    Catch {
        /// `SA_RESTART`: begin the interrupted call again.
        restart: bool,
    },
}

/// The system calls of one process. Errors are FreeBSD's numbers. The implementation determines the
/// paths of the device and of the module.
pub trait Sys {
    /// The process's buffers.
    type Memory: Memory;

    /// A zeroed buffer of `len` bytes. A buffer that is all within reach may be any memory. Other
    /// buffers end at an inaccessible page, or begin after one.
    fn memory(&mut self, len: usize, reach: Reach) -> Self::Memory;

    /// open(2) of the device, with `O_*` flags.
    fn open(&mut self, flags: i32) -> Result<Fd>;
    /// close(2)
    fn close(&mut self, fd: Fd) -> Result<()>;
    /// dup(2)
    fn dup(&mut self, fd: Fd) -> Result<Fd>;
    /// dup2(2)
    fn dup2(&mut self, from: Fd, onto: Fd) -> Result<Fd>;

    /// read(2); returns the bytes read.
    fn read(&mut self, fd: Fd, into: &mut Self::Memory) -> Result<usize>;
    /// readv(2)
    fn readv(&mut self, fd: Fd, into: &mut [Self::Memory]) -> Result<usize>;
    /// pread(2)
    fn pread(&mut self, fd: Fd, into: &mut Self::Memory, offset: i64) -> Result<usize>;
    /// write(2); returns the bytes written.
    fn write(&mut self, fd: Fd, from: &Self::Memory) -> Result<usize>;
    /// writev(2)
    fn writev(&mut self, fd: Fd, from: &[Self::Memory]) -> Result<usize>;
    /// pwrite(2)
    fn pwrite(&mut self, fd: Fd, from: &Self::Memory, offset: i64) -> Result<usize>;

    /// ioctl(2) with a request code of FreeBSD. The length of `arg` is the one in the code.
    fn ioctl(&mut self, fd: Fd, request: u64, arg: &mut Self::Memory) -> Result<()>;
    /// fcntl(2), F_GETFL
    fn get_flags(&mut self, fd: Fd) -> Result<i32>;
    /// fcntl(2), F_SETFL
    fn set_flags(&mut self, fd: Fd, flags: i32) -> Result<()>;

    /// poll(2). Returns the number of entries with events in `revents`.
    fn poll(&mut self, fds: &mut [PollFd], timeout: Timeout) -> Result<usize>;
    /// select(2). Leaves the ready descriptors in the sets, and returns their number.
    fn select(&mut self, sets: &mut FdSets, timeout: Timeout) -> Result<usize>;
    /// kqueue(2)
    fn kqueue(&mut self) -> Result<Fd>;
    /// kqueuex(2) with `KQUEUE_CPONFORK`
    fn kqueue_cponfork(&mut self) -> Result<Fd>;
    /// sysctl(3) `kern.proc.kq`: the events that the kqueues of process `pid` wait for.
    fn report_kqueues(&mut self, pid: i32) -> Result<Vec<Kevent>>;
    /// kevent(2) for at most `max` events. It does not wait if that is 0.
    fn kevent(
        &mut self,
        kq: Fd,
        changes: &[Kevent],
        max: usize,
        timeout: Timeout,
    ) -> Result<Vec<Kevent>>;

    /// sigaction(2)
    fn sigaction(&mut self, signal: i32, to: Disposition) -> Result<()>;
    /// The number of times that a handler ran for `signal` in this process.
    fn caught(&mut self, signal: i32) -> u32;

    /// revoke(2) of the device.
    fn revoke(&mut self) -> Result<()>;
    /// kldload(2) of the module; returns its file id.
    fn kldload(&mut self) -> Result<i32>;
    /// kldunload(2)
    fn kldunload(&mut self, id: i32) -> Result<()>;
}
