//! A process of a case. It makes the calls that it receives, until it has to end or the channel is
//! closed.

use crate::channel::Channel;
use crate::freebsd::files::{self, Iovec};
use crate::freebsd::{kernel, kinfo, processes, wait};
use crate::memory::Buffer;
use crate::modules;
use crate::tap;
use alloc::vec::Vec;
use core::ffi::CStr;
use serde::{Deserialize, Serialize};
use suite::agent::perform;
use suite::call::Call;
use suite::errno::Errno;
use suite::host::Pid;
use suite::sys::{Disposition, Fd, FdSets, Kevent, PollFd, Reach, Result, Sys, Timeout};

/// The device.
pub const DEVICE: &CStr = c"/dev/echo";

/// The descriptor of a process's end of the channel. It is above every other descriptor, so the
/// kernel closes it last when the process dies. The other end's EOF then means that all of them are
/// closed.
const CHANNEL: Fd = 400;

/// A request to a process.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Make a system call, and answer with its [`suite::call::Reply`].
    Call(Call),
    /// Fork, answer with the child's process id or the error, and then send the channel to it.
    Fork,
    /// End.
    Exit,
}

/// Makes a process, which has only the console of the descriptors of this one.
pub fn spawn() -> Result<(Pid, Channel)> {
    let (ours, theirs) = Channel::pair()?;
    match processes::fork()? {
        Some(pid) => Ok((pid, ours)),
        None => {
            for fd in (3..CHANNEL).filter(|fd| *fd != theirs.fd()) {
                // Most are not open.
                let _ = files::close(fd);
            }
            serve(theirs)
        }
    }
}

/// fork(2) of a process. The child continues with its own end of a channel.
fn fork() -> Result<(Pid, Channel)> {
    let (theirs, own) = Channel::pair()?;
    match processes::fork()? {
        Some(pid) => Ok((pid, theirs)),
        None => {
            drop(theirs);
            serve(own)
        }
    }
}

/// The main loop of a process.
fn serve(channel: Channel) -> ! {
    // The scheduling of other processes, unlike the one that the first was forked from.
    let _ = processes::nice(0);
    processes::forget_caught();
    // A shell does the same. The kernel ignores SIGTSTP in a group without a parent outside it.
    let _ = processes::leave_group();
    // In a child, this replaces and closes the parent's end.
    let channel = match channel.moved_to(CHANNEL) {
        Ok(channel) => channel,
        Err(error) => fail(error),
    };
    loop {
        let answered = match channel.receive(None) {
            Ok(Order::Call(call)) => channel.send(&perform(&mut Kernel, call)),
            Ok(Order::Fork) => match fork() {
                Ok((pid, child)) => channel
                    .send(&Ok::<_, Errno>(pid))
                    .and_then(|()| channel.send_channel(child)),
                Err(error) => channel.send(&Err::<Pid, _>(error)),
            },
            Ok(Order::Exit) | Err(_) => processes::exit(0),
        };
        if answered.is_err() {
            processes::exit(0);
        }
    }
}

fn fail(error: Errno) -> ! {
    tap::note(format_args!("process {}: {error}", processes::getpid()));
    processes::exit(1)
}

/// The system calls of this process.
struct Kernel;

impl Sys for Kernel {
    type Memory = Buffer;

    fn memory(&mut self, len: usize, reach: Reach) -> Buffer {
        Buffer::new(len, reach)
    }

    fn open(&mut self, flags: i32) -> Result<Fd> {
        files::open(DEVICE, flags)
    }

    fn close(&mut self, fd: Fd) -> Result<()> {
        files::close(fd)
    }

    fn dup(&mut self, fd: Fd) -> Result<Fd> {
        files::dup(fd)
    }

    fn dup2(&mut self, from: Fd, onto: Fd) -> Result<Fd> {
        files::dup2(from, onto)
    }

    fn read(&mut self, fd: Fd, into: &mut Buffer) -> Result<usize> {
        // SAFETY: a buffer's own memory, borrowed for writing; so in the calls below.
        unsafe { files::read(fd, into.iovec_mut()) }
    }

    fn readv(&mut self, fd: Fd, into: &mut [Buffer]) -> Result<usize> {
        let iovecs: Vec<Iovec> = into.iter_mut().map(Buffer::iovec_mut).collect();
        // SAFETY: as for `read`.
        unsafe { files::readv(fd, &iovecs) }
    }

    fn pread(&mut self, fd: Fd, into: &mut Buffer, offset: i64) -> Result<usize> {
        // SAFETY: as for `read`.
        unsafe { files::pread(fd, into.iovec_mut(), offset) }
    }

    fn write(&mut self, fd: Fd, from: &Buffer) -> Result<usize> {
        files::write(fd, from.iovec())
    }

    fn writev(&mut self, fd: Fd, from: &[Buffer]) -> Result<usize> {
        let iovecs: Vec<Iovec> = from.iter().map(Buffer::iovec).collect();
        files::writev(fd, &iovecs)
    }

    fn pwrite(&mut self, fd: Fd, from: &Buffer, offset: i64) -> Result<usize> {
        files::pwrite(fd, from.iovec(), offset)
    }

    fn ioctl(&mut self, fd: Fd, request: u64, arg: &mut Buffer) -> Result<()> {
        // SAFETY: as for `read`; the suite passes an argument of the length that the request
        // encodes.
        unsafe { files::ioctl(fd, request, arg.iovec_mut().base) }
    }

    fn get_flags(&mut self, fd: Fd) -> Result<i32> {
        files::get_flags(fd)
    }

    fn set_flags(&mut self, fd: Fd, flags: i32) -> Result<()> {
        files::set_flags(fd, flags)
    }

    fn poll(&mut self, fds: &mut [PollFd], timeout: Timeout) -> Result<usize> {
        wait::poll(fds, timeout)
    }

    fn select(&mut self, sets: &mut FdSets, timeout: Timeout) -> Result<usize> {
        wait::select(sets, timeout)
    }

    fn kqueue_cponfork(&mut self) -> Result<Fd> {
        wait::kqueue_cponfork()
    }

    fn report_kqueues(&mut self, pid: i32) -> Result<Vec<Kevent>> {
        kinfo::kqueues(pid)
    }

    fn kqueue(&mut self) -> Result<Fd> {
        wait::kqueue()
    }

    fn kevent(
        &mut self,
        kq: Fd,
        changes: &[Kevent],
        max: usize,
        timeout: Timeout,
    ) -> Result<Vec<Kevent>> {
        wait::kevent(kq, changes, max, timeout)
    }

    fn sigaction(&mut self, signal: i32, to: Disposition) -> Result<()> {
        processes::sigaction(signal, to)
    }

    fn caught(&mut self, signal: i32) -> u32 {
        processes::caught(signal)
    }

    fn revoke(&mut self) -> Result<()> {
        files::revoke(DEVICE)
    }

    fn kldload(&mut self) -> Result<i32> {
        kernel::kldload(modules::TESTED)
    }

    fn kldunload(&mut self, id: i32) -> Result<()> {
        kernel::kldunload(id)
    }
}
