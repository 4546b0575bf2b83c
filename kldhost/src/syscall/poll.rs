//! poll(2).

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::syscall::{Fd, POLLHUP, POLLNVAL, POLLOUT, PollFd};
use crate::dev::Dev;
use crate::dev::file::File;
use crate::dev::select::{PollRequest, Poller, Selfd};
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::kern::timeout::Timeout;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{Arc, Duration};

/// Descriptors that may be polled at once.
const MAX_FDS: usize = 4096;

/// Keeps a [`Process::poll_watch`] registered.
pub struct PollWatch {
    process: Process,
    selfds: Vec<Arc<Selfd>>,
}

impl Drop for PollWatch {
    fn drop(&mut self) {
        Dev::of(&self.process.kernel().kern)
            .waiters
            .forget(&self.selfds);
    }
}

/// A thread in poll(2) or select(2), `struct seltd`.
pub struct Waiting<'a> {
    td: &'a Thread,
    poller: Arc<Poller>,
    /// Its registrations, `st_selq`.
    selfds: Vec<Arc<Selfd>>,
    /// `SELTD_RESCAN`: set after the first sleep.
    rescan: bool,
}

impl<'a> Waiting<'a> {
    /// Not registered anywhere yet.
    pub fn new(td: &'a Thread) -> Waiting<'a> {
        Waiting {
            td,
            poller: Poller::thread(),
            selfds: Vec::new(),
            rescan: false,
        }
    }

    /// `fo_poll`, registering for more unless it is a rescan.
    pub fn poll(&mut self, file: &File, cookie: usize, events: i16) -> Result<i16, Stop> {
        let (found, recorded) =
            poll_file(self.td, file, &self.poller, cookie, self.rescan, events)?;
        self.selfds.extend(recorded);
        Ok(found)
    }

    /// Sleeps until something happens; the cookies of that.
    ///
    /// # Errors
    ///
    /// EWOULDBLOCK at the deadline, EINTR on a signal.
    pub fn wait(&mut self, timeout: Timeout) -> Result<Vec<usize>, Errno> {
        self.rescan = true;
        let deadline = timeout.deadline().ok_or(Errno::EWOULDBLOCK)?;
        match self.poller.wait(self.td, deadline)? {
            Ok(()) => {}
            // Not restarted after signals.
            Err(Errno::ERESTART) => return Err(Errno::EINTR),
            Err(error) => return Err(error),
        }
        // Descriptors that have fired are polled again. Nothing is registered after this, until the
        // next scan.
        let (fired, waiting): (Vec<_>, Vec<_>) =
            self.selfds.drain(..).partition(|s| s.fired.load(SeqCst));
        Dev::of(self.td.kernel()).waiters.forget(&waiting);
        let mut cookies: Vec<usize> = fired.iter().map(|selfd| selfd.cookie).collect();
        cookies.dedup();
        Ok(cookies)
    }

    /// The next poll registers again.
    pub fn scan_again(&mut self) {
        self.rescan = false;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        Dev::of(self.td.kernel()).waiters.forget(&self.selfds);
    }
}

fn poll_file(
    td: &Thread,
    file: &File,
    poller: &Arc<Poller>,
    cookie: usize,
    rescan: bool,
    events: i16,
) -> Result<(i16, Vec<Arc<Selfd>>), Stop> {
    let request = PollRequest::new(poller, cookie, rescan);
    let (found, recorded) = request.serve(td, || file.poll(td, events));
    Ok((found?, recorded))
}

impl Process {
    /// poll(2); `timeout` in milliseconds, -1 for no limit. Returns the number of descriptors that
    /// have events.
    ///
    /// # Errors
    ///
    /// EINVAL: too many descriptors, or a negative timeout that is not -1. EINTR: it is never
    /// restarted.
    pub fn poll(&self, fds: &mut [PollFd], timeout: i32) -> Result<usize, Errno> {
        let timeout = match timeout {
            -1 => Timeout::Never,
            ..-1 => return Err(Errno::EINVAL),
            millis => Timeout::after(Some(Duration::from_millis(millis as u64))),
        };
        if fds.len() > MAX_FDS {
            return Err(Errno::EINVAL);
        }
        self.call("poll", |td| self.poll_until(td, fds, timeout))
    }

    fn poll_until(
        &self,
        td: &Thread,
        fds: &mut [PollFd],
        timeout: Timeout,
    ) -> Result<usize, Errno> {
        let mut waiting = Waiting::new(td);
        loop {
            waiting.scan_again();
            for at in 0..fds.len() {
                self.poll_one(&mut waiting, fds, at)?;
            }
            if let Some(ready) = ready(fds) {
                return Ok(ready);
            }
            match waiting.wait(timeout) {
                Ok(fired) => {
                    for at in fired {
                        self.poll_one(&mut waiting, fds, at)?;
                    }
                }
                Err(Errno::EWOULDBLOCK) => return Ok(0),
                Err(error) => return Err(error),
            }
            if let Some(ready) = ready(fds) {
                return Ok(ready);
            }
        }
    }

    fn poll_one(
        &self,
        waiting: &mut Waiting<'_>,
        fds: &mut [PollFd],
        at: usize,
    ) -> Result<(), Errno> {
        let PollFd { fd, events, .. } = fds[at];
        fds[at].revents = if fd < 0 {
            0
        } else {
            match self.file(fd) {
                Err(_) => POLLNVAL,
                Ok(file) => {
                    let found = waiting.poll(&file, at, events)?;
                    // POSIX forbids POLLOUT together with POLLHUP.
                    if found & POLLHUP != 0 {
                        found & !POLLOUT
                    } else {
                        found
                    }
                }
            }
        };
        Ok(())
    }

    /// Polls one descriptor without waiting, and registers `notify`. It is called once, when
    /// poll(2) would be woken, by the thread that wakes. That thread holds locks of the module, so
    /// `notify` must not call into the kernel. If there are events already, `notify` is not
    /// registered. Dropping the [`PollWatch`] ends the registration.
    ///
    /// # Errors
    ///
    /// EBADF.
    pub fn poll_watch(
        &self,
        fd: Fd,
        events: i16,
        notify: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<(i16, PollWatch), Errno> {
        let poller = Poller::callback(notify);
        self.call("poll", |td| {
            let file = self.file(fd)?;
            let (found, selfds) = poll_file(td, &file, &poller, 0, false, events)?;
            let mut watch = PollWatch {
                process: self.clone(),
                selfds,
            };
            if found != 0 {
                Dev::of(td.kernel())
                    .waiters
                    .forget(&std::mem::take(&mut watch.selfds));
            }
            Ok((found, watch))
        })
    }
}

/// How many descriptors have events; `None` if none has.
fn ready(fds: &[PollFd]) -> Option<usize> {
    let ready = fds.iter().filter(|fd| fd.revents != 0).count();
    (ready > 0).then_some(ready)
}
