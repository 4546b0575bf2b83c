//! Linux's system calls, as the suite makes them, with FreeBSD's numbers.

use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::poll::{PollFlags, PollTimeout};
use nix::sys::select::FdSet;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;
use nix::sys::uio;
use nix::unistd;
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use suite::abi;
use suite::errno::{self, Errno};
use suite::sys::{Disposition, Fd, FdSets, Kevent, Memory, PollFd, Reach, Result, Sys, Timeout};

/// The calls of this process.
pub struct LinuxSys {
    device: PathBuf,
    /// The descriptors by the case's numbers.
    open: BTreeMap<Fd, OwnedFd>,
    caught: Arc<AtomicBool>,
    count: u32,
}

/// A user buffer, all of it within reach.
pub struct Plain(Vec<u8>);

impl Memory for Plain {
    fn set(&mut self, bytes: &[u8]) {
        self.0.copy_from_slice(bytes);
    }

    fn get(&self) -> Vec<u8> {
        self.0.clone()
    }
}

/// FreeBSD's number for an error.
fn to_freebsd(error: nix::Error) -> Errno {
    use nix::errno::Errno as Linux;
    match error {
        Linux::EAGAIN => errno::EWOULDBLOCK,
        Linux::EOPNOTSUPP => errno::EOPNOTSUPP,
        Linux::ENOSYS => errno::ENOSYS,
        Linux::ENOTCONN => Errno(57),
        Linux::ECONNABORTED => Errno(53),
        other => Errno(other as i32),
    }
}

/// Flags that have other bits in Linux, and their bits in FreeBSD.
const FLAGS: [(OFlag, i32); 2] = [
    (OFlag::O_NONBLOCK, abi::O_NONBLOCK),
    (OFlag::O_ASYNC, abi::O_ASYNC),
];

fn to_oflag(flags: i32) -> OFlag {
    let access = OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE;
    FLAGS
        .iter()
        .filter(|(_, bit)| flags & bit != 0)
        .fold(access, |all, (flag, _)| all | *flag)
}

fn from_oflag(flags: OFlag) -> i32 {
    let access = (flags & OFlag::O_ACCMODE).bits();
    FLAGS
        .iter()
        .filter(|(flag, _)| flags.contains(*flag))
        .fold(access, |all, (_, bit)| all | bit)
}

/// Bits of poll(2) that differ in Linux. POLLWRNORM is POLLOUT in FreeBSD.
fn to_poll(events: i16) -> PollFlags {
    let mut flags = PollFlags::from_bits_retain(events & 0xff);
    flags.set(PollFlags::POLLWRBAND, events & abi::POLLWRBAND != 0);
    flags
}

fn from_poll(flags: PollFlags) -> i16 {
    let band = if flags.contains(PollFlags::POLLWRBAND) {
        abi::POLLWRBAND
    } else {
        0
    };
    flags.bits() & 0xff | band
}

impl LinuxSys {
    /// A process without descriptors, which opens `device`.
    pub fn new(device: PathBuf) -> LinuxSys {
        LinuxSys {
            device,
            open: BTreeMap::new(),
            caught: Arc::default(),
            count: 0,
        }
    }

    /// Its descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = (Fd, BorrowedFd<'_>)> {
        self.open.iter().map(|(number, fd)| (*number, fd.as_fd()))
    }

    /// Adds descriptors of another process.
    pub fn adopt(&mut self, fds: impl Iterator<Item = (Fd, OwnedFd)>) {
        self.open.extend(fds);
    }

    fn fd(&self, fd: Fd) -> Result<BorrowedFd<'_>> {
        self.open.get(&fd).map(AsFd::as_fd).ok_or(errno::EBADF)
    }

    fn install(&mut self, fd: OwnedFd) -> Fd {
        let free = (0..)
            .find(|number| !self.open.contains_key(number))
            .unwrap_or_default();
        self.open.insert(free, fd);
        free
    }

    fn duplicate(&self, fd: Fd) -> Result<OwnedFd> {
        unistd::dup(self.fd(fd)?).map_err(to_freebsd)
    }
}

impl Sys for LinuxSys {
    type Memory = Plain;

    fn memory(&mut self, len: usize, _reach: Reach) -> Plain {
        Plain(vec![0; len])
    }

    fn open(&mut self, flags: i32) -> Result<Fd> {
        let fd = open(
            &self.device,
            to_oflag(flags) | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(to_freebsd)?;
        Ok(self.install(fd))
    }

    fn close(&mut self, fd: Fd) -> Result<()> {
        let fd = self.open.remove(&fd).ok_or(errno::EBADF)?;
        unistd::close(fd).map_err(to_freebsd)
    }

    fn dup(&mut self, fd: Fd) -> Result<Fd> {
        let copy = self.duplicate(fd)?;
        Ok(self.install(copy))
    }

    fn dup2(&mut self, from: Fd, onto: Fd) -> Result<Fd> {
        let copy = self.duplicate(from)?;
        if from != onto {
            self.open.insert(onto, copy);
        }
        Ok(onto)
    }

    fn read(&mut self, fd: Fd, into: &mut Plain) -> Result<usize> {
        unistd::read(self.fd(fd)?, &mut into.0).map_err(to_freebsd)
    }

    fn readv(&mut self, fd: Fd, into: &mut [Plain]) -> Result<usize> {
        let mut parts: Vec<_> = into
            .iter_mut()
            .map(|part| IoSliceMut::new(&mut part.0))
            .collect();
        uio::readv(self.fd(fd)?, &mut parts).map_err(to_freebsd)
    }

    fn pread(&mut self, fd: Fd, into: &mut Plain, offset: i64) -> Result<usize> {
        uio::pread(self.fd(fd)?, &mut into.0, offset).map_err(to_freebsd)
    }

    fn write(&mut self, fd: Fd, from: &Plain) -> Result<usize> {
        unistd::write(self.fd(fd)?, &from.0).map_err(to_freebsd)
    }

    fn writev(&mut self, fd: Fd, from: &[Plain]) -> Result<usize> {
        let parts: Vec<_> = from.iter().map(|part| IoSlice::new(&part.0)).collect();
        uio::writev(self.fd(fd)?, &parts).map_err(to_freebsd)
    }

    fn pwrite(&mut self, fd: Fd, from: &Plain, offset: i64) -> Result<usize> {
        uio::pwrite(self.fd(fd)?, &from.0, offset).map_err(to_freebsd)
    }

    fn ioctl(&mut self, fd: Fd, request: u64, arg: &mut Plain) -> Result<()> {
        kldhost::fuse::ioctl(self.fd(fd)?, request, &mut arg.0).map_err(to_freebsd)
    }

    fn get_flags(&mut self, fd: Fd) -> Result<i32> {
        let flags = fcntl(self.fd(fd)?, FcntlArg::F_GETFL).map_err(to_freebsd)?;
        Ok(from_oflag(OFlag::from_bits_retain(flags)))
    }

    fn set_flags(&mut self, fd: Fd, flags: i32) -> Result<()> {
        fcntl(self.fd(fd)?, FcntlArg::F_SETFL(to_oflag(flags)))
            .map(drop)
            .map_err(to_freebsd)
    }

    fn poll(&mut self, fds: &mut [PollFd], timeout: Timeout) -> Result<usize> {
        // Descriptors that are not open, or negative, do not exist in Linux either.
        let (mut asked, mut places) = (Vec::new(), Vec::new());
        for (place, entry) in fds.iter_mut().enumerate() {
            match self.open.get(&entry.fd) {
                Some(fd) => {
                    asked.push(nix::poll::PollFd::new(fd.as_fd(), to_poll(entry.events)));
                    places.push(place);
                }
                None => entry.revents = if entry.fd < 0 { 0 } else { abi::POLLNVAL },
            }
        }
        let closed = fds.iter().any(|entry| entry.revents == abi::POLLNVAL);
        let timeout = match timeout {
            _ if closed => PollTimeout::ZERO,
            None => PollTimeout::NONE,
            Some(milliseconds) => PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX),
        };
        nix::poll::poll(&mut asked, timeout).map_err(to_freebsd)?;
        for (place, answer) in places.into_iter().zip(&asked) {
            fds[place].revents = answer.revents().map_or(0, from_poll);
        }
        Ok(fds.iter().filter(|entry| entry.revents != 0).count())
    }

    fn select(&mut self, sets: &mut FdSets, timeout: Timeout) -> Result<usize> {
        let set = |numbers: &[Fd]| -> Result<FdSet<'_>> {
            let mut set = FdSet::new();
            for number in numbers {
                set.insert(self.fd(*number)?);
            }
            Ok(set)
        };
        let (mut read, mut write, mut except) =
            (set(&sets.read)?, set(&sets.write)?, set(&sets.except)?);
        let mut timeout = timeout.map(|milliseconds| {
            TimeVal::new(
                (milliseconds / 1000).into(),
                (milliseconds % 1000 * 1000).into(),
            )
        });
        let found =
            nix::sys::select::select(None, &mut read, &mut write, &mut except, &mut timeout)
                .map_err(to_freebsd)?;
        for (numbers, set) in [
            (&mut sets.read, &read),
            (&mut sets.write, &write),
            (&mut sets.except, &except),
        ] {
            numbers.retain(|number| {
                self.open
                    .get(number)
                    .is_some_and(|fd| set.contains(fd.as_fd()))
            });
        }
        Ok(found as usize)
    }

    fn kqueue_cponfork(&mut self) -> Result<Fd> {
        Err(errno::ENOSYS)
    }

    fn report_kqueues(&mut self, _pid: i32) -> Result<Vec<Kevent>> {
        Err(errno::ENOSYS)
    }

    fn kqueue(&mut self) -> Result<Fd> {
        Err(errno::ENOSYS)
    }

    fn kevent(
        &mut self,
        _kq: Fd,
        _changes: &[Kevent],
        _max: usize,
        _timeout: Timeout,
    ) -> Result<Vec<Kevent>> {
        Err(errno::ENOSYS)
    }

    fn sigaction(&mut self, signal: i32, to: Disposition) -> Result<()> {
        if signal != abi::SIGUSR1 {
            return Err(errno::EINVAL);
        }
        match to {
            // The state of every new process here.
            Disposition::Default => {}
            // A signal that remains blocked has no effect, like one that is ignored.
            Disposition::Ignore => SigSet::from(Signal::SIGUSR1)
                .thread_block()
                .map_err(to_freebsd)?,
            Disposition::Catch { .. } => {
                let registered =
                    signal_hook::flag::register(Signal::SIGUSR1 as i32, self.caught.clone());
                registered.map_err(|_| errno::EINVAL)?;
            }
        }
        Ok(())
    }

    /// Signals between two of these calls count as one, like pending signals in Linux.
    fn caught(&mut self, _signal: i32) -> u32 {
        self.count += u32::from(self.caught.swap(false, SeqCst));
        self.count
    }

    fn revoke(&mut self) -> Result<()> {
        Err(errno::ENOSYS)
    }

    fn kldload(&mut self) -> Result<i32> {
        Err(errno::ENOSYS)
    }

    fn kldunload(&mut self, _id: i32) -> Result<()> {
        Err(errno::ENOSYS)
    }
}
