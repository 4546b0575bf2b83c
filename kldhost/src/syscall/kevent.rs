//! kqueue(2) and kevent(2).

use super::Process;
use super::abi::{Fd, Kevent};
use super::errno::Errno;
use crate::kernel::file::{FREAD, FWRITE, FileRef, Kind};
use crate::kernel::timeout::Timeout;
use crate::sync::Duration;

impl Process {
    /// kqueue(2).
    ///
    /// # Errors
    ///
    /// EMFILE.
    pub fn kqueue(&self) -> Result<Fd, Errno> {
        self.call("kqueue", |td| {
            let file = FileRef::new(FREAD | FWRITE, Kind::Kqueue(td.kernel().kqueues.create()));
            let installed = self.proc().files.lock().install(file);
            installed.map_err(|(error, _file)| error)
        })
    }

    /// kevent(2): applies `changes`, then waits for events, at most `events.len()`. Returns how many there are. A change
    /// that fails is told of in `events` (`EV_ERROR`), and then there is no waiting.
    ///
    /// # Errors
    ///
    /// EBADF: not a kqueue. EINTR: it is never restarted. The error of a change, when `events` is empty: ENOENT, EBADF,
    /// EINVAL, ENXIO (the device is gone), and what the device's d_kqfilter returns.
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
            let Kind::Kqueue(kq) = &file.kind else { return Err(Errno::EBADF) };
            kq.acquire()?;
            let result = kq.kevent(td, &|fd| self.file(fd), changes, events, timeout);
            kq.release(td);
            result
        })
    }
}
