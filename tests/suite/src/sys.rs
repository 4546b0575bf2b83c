//! The system calls that the suite makes, as one process sees them.

use crate::errno::Errno;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// What a system call returns.
pub type Result<T> = core::result::Result<T, Errno>;

/// A file descriptor.
pub type Fd = i32;

/// How long poll(2), select(2) and kevent(2) wait, in milliseconds; `None` waits for ever.
pub type Timeout = Option<u32>;

/// Which part of a user buffer a system call can reach. Touching the rest is EFAULT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// Every byte.
    All,
    /// Only the first so many bytes.
    First(usize),
    /// Only the last so many bytes.
    Last(usize),
    /// Every byte, but the page fault on the first does not end until `Host::release_faults`.
    Hung,
}

/// A user buffer of some length, with a part that may be out of reach.
pub trait Memory {
    /// Copies `bytes`, one for each byte of the buffer, to where it can be reached; the others are
    /// dropped.
    fn set(&mut self, bytes: &[u8]);
    /// The bytes within reach, in order.
    fn get(&self) -> Vec<u8>;
}

/// One entry of poll(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollFd {
    /// The descriptor; a negative one is passed over.
    pub fd: Fd,
    /// What to wait for.
    pub events: i16,
    /// What was found.
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
    /// Bits of the filter's own; an error number at EV_EOF.
    pub fflags: u32,
    /// The filter's number: bytes to read, or bytes of room.
    pub data: i64,
    /// Whatever the caller put there.
    pub udata: u64,
}

/// What a process does with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// The default action; it ends the process for the signals used here.
    Default,
    /// Nothing, as if it had not been sent.
    Ignore,
    /// Run a handler, and count.
    Catch {
        /// `SA_RESTART`: begin the interrupted call again.
        restart: bool,
    },
}

/// The system calls of one process. Errors are FreeBSD's numbers; which file the device is, and
/// where the module's file lies, is the implementation's business.
pub trait Sys {
    /// The process's buffers.
    type Memory: Memory;

    /// A buffer of `len` bytes, zeroed. One that is all within reach may be any memory; the others
    /// end at (or begin after) a page that is not accessible.
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

    /// ioctl(2) with one of FreeBSD's request codes; `arg` is as long as the code says.
    fn ioctl(&mut self, fd: Fd, request: u64, arg: &mut Self::Memory) -> Result<()>;
    /// fcntl(2), F_GETFL
    fn get_flags(&mut self, fd: Fd) -> Result<i32>;
    /// fcntl(2), F_SETFL
    fn set_flags(&mut self, fd: Fd, flags: i32) -> Result<()>;

    /// poll(2); returns how many entries have something in `revents`.
    fn poll(&mut self, fds: &mut [PollFd], timeout: Timeout) -> Result<usize>;
    /// select(2); leaves in the sets what is ready, returns how many that are.
    fn select(&mut self, sets: &mut FdSets, timeout: Timeout) -> Result<usize>;
    /// kqueue(2)
    fn kqueue(&mut self) -> Result<Fd>;
    /// kqueuex(2) with `KQUEUE_CPONFORK`
    fn kqueue_cponfork(&mut self) -> Result<Fd>;
    /// sysctl(3) `kern.proc.kq`: the events that the kqueues of process `pid` wait for.
    fn report_kqueues(&mut self, pid: i32) -> Result<Vec<Kevent>>;
    /// kevent(2); at most `max` events, none are waited for when it is 0.
    fn kevent(
        &mut self,
        kq: Fd,
        changes: &[Kevent],
        max: usize,
        timeout: Timeout,
    ) -> Result<Vec<Kevent>>;

    /// sigaction(2)
    fn sigaction(&mut self, signal: i32, to: Disposition) -> Result<()>;
    /// How often a handler ran for `signal` in this process.
    fn caught(&mut self, signal: i32) -> u32;

    /// revoke(2) of the device.
    fn revoke(&mut self) -> Result<()>;
    /// kldload(2) of the module; returns its file id.
    fn kldload(&mut self) -> Result<i32>;
    /// kldunload(2)
    fn kldunload(&mut self, id: i32) -> Result<()>;
}
