//! kqueue(2) and kevent(2).

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::syscall::{Fd, KQUEUE_CLOEXEC, KQUEUE_CPONFORK, Kevent, Pid};
use crate::dev::file::{FREAD, FWRITE, FileRef, Kind};
use crate::dev::kqueue::{KnoteInfo, Kqueue, report_kqueues};
use crate::kern::timeout::Timeout;
use crate::machine::sync::Duration;

impl Process {
    /// kqueue(2).
    ///
    /// # Errors
    ///
    /// EMFILE.
    pub fn kqueue(&self) -> Result<Fd, Errno> {
        self.kqueuex(0)
    }

    /// kqueuex(2).
    ///
    /// # Errors
    ///
    /// EMFILE. EINVAL: a flag that the release does not have.
    pub fn kqueuex(&self, flags: u32) -> Result<Fd, Errno> {
        self.call("kqueuex", |td| {
            let copies = if td.kernel().release.copies_kqueues() {
                KQUEUE_CPONFORK
            } else {
                0
            };
            if flags & !(KQUEUE_CLOEXEC | copies) != 0 {
                return Err(Errno::EINVAL);
            }
            let kq = Kqueue::new(flags & KQUEUE_CPONFORK != 0);
            let file = FileRef::new(FREAD | FWRITE, Kind::Kqueue(kq));
            let installed = self.proc().files.lock().install(file);
            installed.map_err(|(error, _file)| error)
        })
    }

    /// sysctl(3) `kern.proc.kq`: the knotes of all kqueues of process `pid`. Each knote is reported
    /// at a different moment.
    ///
    /// # Errors
    ///
    /// ENOENT: the release has no such sysctl. ESRCH: no such process.
    pub fn report_kqueues(&self, pid: Pid) -> Result<Vec<KnoteInfo>, Errno> {
        self.call("__sysctl", |td| {
            if !td.kernel().release.reports_kqueues() {
                return Err(Errno::ENOENT);
            }
            let process = self.kernel().procs.find(pid).ok_or(Errno::ESRCH)?;
            report_kqueues(td, &process.files)
        })
    }

    /// kevent(2): applies `changes`, then waits for events, at most `events.len()`. Returns their
    /// number. A change that fails is reported in `events` (`EV_ERROR`), and the call does not
    /// wait.
    ///
    /// # Errors
    ///
    /// EBADF: not a kqueue. EINTR: it is never restarted. When `events` is empty, the error of a
    /// change: ENOENT, EBADF, EINVAL, ENXIO (the device was destroyed), or an error of the device's
    /// d_kqfilter.
    pub fn kevent(
        &self,
        kq: Fd,
        changes: &[Kevent],
        events: &mut [Kevent],
        timeout: Option<Duration>,
    ) -> Result<usize, Errno> {
        let timeout = Timeout::after(timeout);
        self.call("kevent", |td| {
            let file = self.file(kq)?;
            let Kind::Kqueue(kq) = &file.kind else {
                return Err(Errno::EBADF);
            };
            kq.acquire()?;
            let result = kq.kevent(td, &|fd| self.file(fd), changes, events, timeout);
            kq.release(td);
            result
        })
    }
}
