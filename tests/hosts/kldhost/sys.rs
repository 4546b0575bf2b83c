//! kldhost's system calls, as the suite makes them.

use kldhost::{
    FdSet, IoctlArg, KQUEUE_CPONFORK, Process, SigAction, Signal, UserIn, UserMem, UserOut,
};
use std::path::PathBuf;
use std::time::Duration;
use suite::errno::Errno;
use suite::sys::{Disposition, Fd, FdSets, Kevent, Memory, PollFd, Reach, Result, Sys, Timeout};

const DEVICE: &str = "/dev/echo";

/// The calls of one process.
pub struct KldSys {
    process: Process,
    module: PathBuf,
}

impl KldSys {
    /// The calls of `process`. kldload(2) loads the file `module`.
    pub fn new(process: Process, module: PathBuf) -> KldSys {
        KldSys { process, module }
    }
}

/// A user buffer.
pub enum KldMemory {
    /// All of it is within reach.
    Plain(Vec<u8>),
    /// `len` bytes of which those in `good` are within reach, and an inaccessible page follows.
    Head { good: UserMem, len: usize },
    /// Bytes of a hung mapping.
    Hung(UserMem),
    /// `len` bytes that begin out of reach. The bytes after the first need not exist, because no
    /// call reaches them.
    Nowhere { len: usize },
}

impl KldMemory {
    fn out(&mut self) -> UserOut<'_> {
        match self {
            KldMemory::Plain(bytes) => bytes.into(),
            KldMemory::Head { good, len } => good.out(..*len),
            KldMemory::Hung(memory) => memory.out(..),
            KldMemory::Nowhere { len } => UserOut::unmapped(*len),
        }
    }

    fn input(&self) -> UserIn<'_> {
        match self {
            KldMemory::Plain(bytes) => bytes.into(),
            KldMemory::Head { good, len } => good.input(..*len),
            KldMemory::Hung(memory) => memory.input(..),
            KldMemory::Nowhere { len } => UserIn::unmapped(*len),
        }
    }
}

impl Memory for KldMemory {
    fn set(&mut self, bytes: &[u8]) {
        match self {
            KldMemory::Plain(own) => own.copy_from_slice(bytes),
            KldMemory::Head { good, .. } => good.store(0, &bytes[..good.len()]),
            // The process does not set the contents of a hung mapping.
            KldMemory::Hung(_) | KldMemory::Nowhere { .. } => {}
        }
    }

    fn get(&self) -> Vec<u8> {
        match self {
            KldMemory::Plain(bytes) => bytes.clone(),
            KldMemory::Head { good, .. } => good.load(),
            KldMemory::Hung(memory) => memory.load(),
            KldMemory::Nowhere { .. } => Vec::new(),
        }
    }
}

fn errno(error: kldhost::Errno) -> Errno {
    Errno(error.0)
}

fn duration(timeout: Timeout) -> Option<Duration> {
    timeout.map(|milliseconds| Duration::from_millis(milliseconds.into()))
}

fn to_kernel(event: &Kevent) -> kldhost::Kevent {
    kldhost::Kevent {
        ident: event.ident as usize,
        filter: event.filter,
        flags: event.flags,
        fflags: event.fflags,
        data: event.data,
        udata: event.udata as usize,
        ..kldhost::Kevent::default()
    }
}

fn from_kernel(event: &kldhost::Kevent) -> Kevent {
    Kevent {
        ident: event.ident as u64,
        filter: event.filter,
        flags: event.flags,
        fflags: event.fflags,
        data: event.data,
        udata: event.udata as u64,
    }
}

impl Sys for KldSys {
    type Memory = KldMemory;

    fn memory(&mut self, len: usize, reach: Reach) -> KldMemory {
        match reach {
            Reach::All => KldMemory::Plain(vec![0; len]),
            Reach::First(good) => KldMemory::Head {
                good: UserMem::new(good),
                len,
            },
            Reach::Hung => KldMemory::Hung(UserMem::hung(len)),
            Reach::Last(_) => KldMemory::Nowhere { len },
        }
    }

    fn open(&mut self, flags: i32) -> Result<Fd> {
        self.process.open(DEVICE, flags).map_err(errno)
    }

    fn close(&mut self, fd: Fd) -> Result<()> {
        self.process.close(fd).map_err(errno)
    }

    fn dup(&mut self, fd: Fd) -> Result<Fd> {
        self.process.dup(fd).map_err(errno)
    }

    fn dup2(&mut self, from: Fd, onto: Fd) -> Result<Fd> {
        self.process.dup2(from, onto).map_err(errno)
    }

    fn read(&mut self, fd: Fd, into: &mut KldMemory) -> Result<usize> {
        self.process.read(fd, into.out()).map_err(errno)
    }

    fn readv(&mut self, fd: Fd, into: &mut [KldMemory]) -> Result<usize> {
        let mut parts: Vec<UserOut<'_>> = into.iter_mut().map(KldMemory::out).collect();
        self.process.readv(fd, &mut parts).map_err(errno)
    }

    fn pread(&mut self, fd: Fd, into: &mut KldMemory, offset: i64) -> Result<usize> {
        self.process.pread(fd, into.out(), offset).map_err(errno)
    }

    fn write(&mut self, fd: Fd, from: &KldMemory) -> Result<usize> {
        self.process.write(fd, from.input()).map_err(errno)
    }

    fn writev(&mut self, fd: Fd, from: &[KldMemory]) -> Result<usize> {
        let parts: Vec<UserIn<'_>> = from.iter().map(KldMemory::input).collect();
        self.process.writev(fd, &parts).map_err(errno)
    }

    fn pwrite(&mut self, fd: Fd, from: &KldMemory, offset: i64) -> Result<usize> {
        self.process.pwrite(fd, from.input(), offset).map_err(errno)
    }

    fn ioctl(&mut self, fd: Fd, request: u64, arg: &mut KldMemory) -> Result<()> {
        self.process
            .ioctl(fd, request, IoctlArg::Data(arg.out()))
            .map_err(errno)
    }

    fn get_flags(&mut self, fd: Fd) -> Result<i32> {
        self.process.getfl(fd).map_err(errno)
    }

    fn set_flags(&mut self, fd: Fd, flags: i32) -> Result<()> {
        self.process.setfl(fd, flags).map_err(errno)
    }

    fn poll(&mut self, fds: &mut [PollFd], timeout: Timeout) -> Result<usize> {
        let mut entries: Vec<_> = fds
            .iter()
            .map(|entry| kldhost::PollFd::new(entry.fd, entry.events))
            .collect();
        let found = self.process.poll(
            &mut entries,
            timeout.map_or(-1, |milliseconds| milliseconds as i32),
        );
        for (entry, answer) in fds.iter_mut().zip(entries) {
            entry.revents = answer.revents;
        }
        found.map_err(errno)
    }

    fn select(&mut self, sets: &mut FdSets, timeout: Timeout) -> Result<usize> {
        let highest = [&sets.read, &sets.write, &sets.except]
            .into_iter()
            .flatten()
            .max();
        let nfds = highest.map_or(0, |fd| fd + 1);
        let mut bits = [&sets.read, &sets.write, &sets.except].map(|fds| FdSet::of(fds));
        let [read, write, except] = &mut bits;
        let found = self.process.select(
            nfds,
            Some(read),
            Some(write),
            Some(except),
            duration(timeout),
        );
        for (fds, bits) in [&mut sets.read, &mut sets.write, &mut sets.except]
            .into_iter()
            .zip(&bits)
        {
            fds.retain(|fd| bits.contains(*fd));
        }
        found.map_err(errno)
    }

    fn kqueue_cponfork(&mut self) -> Result<Fd> {
        self.process.kqueuex(KQUEUE_CPONFORK).map_err(errno)
    }

    fn report_kqueues(&mut self, pid: i32) -> Result<Vec<Kevent>> {
        let report = self.process.report_kqueues(pid).map_err(errno)?;
        Ok(report.iter().map(|info| from_kernel(&info.event)).collect())
    }

    fn kqueue(&mut self) -> Result<Fd> {
        self.process.kqueue().map_err(errno)
    }

    fn kevent(
        &mut self,
        kq: Fd,
        changes: &[Kevent],
        max: usize,
        timeout: Timeout,
    ) -> Result<Vec<Kevent>> {
        let changes: Vec<_> = changes.iter().map(to_kernel).collect();
        let mut events = vec![kldhost::Kevent::default(); max];
        let n = self
            .process
            .kevent(kq, &changes, &mut events, duration(timeout))
            .map_err(errno)?;
        Ok(events[..n].iter().map(from_kernel).collect())
    }

    fn sigaction(&mut self, signal: i32, to: Disposition) -> Result<()> {
        let action = match to {
            Disposition::Default => SigAction::Default,
            Disposition::Ignore => SigAction::Ignore,
            Disposition::Catch { restart } => SigAction::Handler { restart },
        };
        self.process
            .sigaction(Signal(signal), action)
            .map_err(errno)
    }

    fn caught(&mut self, signal: i32) -> u32 {
        self.process.handled(Signal(signal)) as u32
    }

    fn revoke(&mut self) -> Result<()> {
        self.process.revoke(DEVICE).map_err(errno)
    }

    fn kldload(&mut self) -> Result<i32> {
        self.process
            .kldload(&self.module)
            .map_err(|error| errno(error.errno()))
    }

    fn kldunload(&mut self, id: i32) -> Result<()> {
        self.process.kldunload(id).map_err(errno)
    }
}
