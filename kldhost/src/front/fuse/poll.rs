//! poll(2), select(2) and epoll(7) of open files.
//!
//! Linux asks for the ready events. For a waiting program, it also expects a notification when it
//! has to ask again. Such a file gets a kqueue, with a knote for each side. Linux is notified each
//! time that the module signals something, and not only when the file becomes ready. With this,
//! edge-triggered epoll behaves as kevent(2) with `EV_CLEAR` does. For a device without d_kqfilter,
//! selwakeup(9) notifies Linux, once for each poll that found no event.

use std::collections::VecDeque;

use polyfuse_kernel::{FUSE_POLL_SCHEDULE_NOTIFY, fuse_poll_in};

use super::channel::Channel;
use super::file::OpenFile;
use crate::abi::errno::Errno;
use crate::abi::syscall::*;
use crate::machine::sync::{Arc, Condvar, Duration, Mutex, Weak};
use crate::syscall::PollWatch;

/// Linux's bits that are not FreeBSD's.
const LINUX_POLLWRNORM: u32 = 0x100;
const LINUX_POLLWRBAND: u32 = 0x200;
const LINUX_POLLRDHUP: u32 = 0x2000;
/// POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDNORM, POLLRDBAND: the same bits in
/// both.
const SAME: u32 = 0xff;

/// How one file is waited for.
#[derive(Default)]
pub struct Watch {
    /// The number of the file in the FUSE protocol.
    kh: u64,
    how: How,
    /// The call-back that is registered.
    armed: Option<PollWatch>,
}

#[derive(Default)]
enum How {
    /// No program has waited yet.
    #[default]
    NotYet,
    /// By a kqueue, with knotes for these filters.
    Kqueue(Fd, Vec<i16>),
    /// By selwakeup(9).
    Selinfo,
}

/// Files with events, for the thread that notifies Linux.
#[derive(Default)]
pub struct Pending {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    files: VecDeque<Weak<OpenFile>>,
    over: bool,
}

impl Pending {
    fn add(&self, file: Weak<OpenFile>) {
        self.state.lock().files.push_back(file);
        self.changed.notify_one();
    }

    /// Notifies Linux of events, until [`Pending::end`].
    pub fn serve(self: &Arc<Pending>, channel: &Channel) {
        let mut state = self.state.lock();
        while !state.over {
            let Some(file) = state.files.pop_front() else {
                self.changed.wait(&mut state);
                continue;
            };
            drop(state);
            if let Some(file) = file.upgrade() {
                file.pending(self, channel);
            }
            state = self.state.lock();
        }
    }

    /// Ends [`Pending::serve`].
    pub fn end(&self) {
        self.state.lock().over = true;
        self.changed.notify_all();
    }
}

impl Watch {
    /// No program waits any longer.
    pub fn stop(&mut self) {
        *self = Watch::default();
    }
}

impl OpenFile {
    /// Returns the ready events, in Linux's bits.
    pub fn poll(
        self: &Arc<OpenFile>,
        request: &fuse_poll_in,
        pending: &Arc<Pending>,
        channel: &Channel,
    ) -> Result<u32, Errno> {
        let events = to_freebsd(request.events);
        if request.flags & FUSE_POLL_SCHEDULE_NOTIFY != 0 {
            // Before the poll, so that no event between the two is missed.
            self.wait_for(request.kh, events, pending, channel)?;
        }
        let mut fds = [PollFd::new(self.fd, events)];
        self.process.poll(&mut fds, 0)?;
        let mut revents = to_linux(fds[0].revents, request.events);
        if fds[0].revents & POLLHUP != 0 && events & POLLOUT != 0 {
            // Otherwise, select(2) would not return: for it, POLLHUP is an event of the read side
            // only.
            revents |= libc::POLLERR as u32;
        }
        if request.events & LINUX_POLLRDHUP != 0 && self.at_eof()? {
            revents |= LINUX_POLLRDHUP;
        }
        Ok(revents)
    }

    /// Whether EVFILT_READ has EV_EOF set: there is no writer.
    fn at_eof(&self) -> Result<bool, Errno> {
        let kq = self.process.kqueue()?;
        let mut event = [Kevent::default()];
        let add = [Kevent::new(self.fd, EVFILT_READ, EV_ADD)];
        let found = self
            .process
            .kevent(kq, &add, &mut event, Some(Duration::ZERO));
        self.process.close(kq)?;
        match found {
            Err(Errno::PANICKED) => Err(Errno::PANICKED),
            // A device without d_kqfilter returns an EV_ERROR.
            Ok(1) => Ok(event[0].flags & (EV_EOF | EV_ERROR) == EV_EOF),
            _ => Ok(false),
        }
    }

    fn wait_for(
        self: &Arc<OpenFile>,
        kh: u64,
        events: i16,
        pending: &Arc<Pending>,
        channel: &Channel,
    ) -> Result<(), Errno> {
        let mut guard = self.watch.lock();
        let watch = &mut *guard;
        watch.kh = kh;
        if let How::NotYet = watch.how {
            watch.how = How::Kqueue(self.process.kqueue()?, Vec::new());
        }
        if let How::Kqueue(kq, known) = &mut watch.how {
            let new: Vec<i16> = filters(events)
                .filter(|filter| !known.contains(filter))
                .collect();
            if new.is_empty() && watch.armed.is_some() {
                return Ok(());
            }
            match self.add_knotes(*kq, &new) {
                Ok(()) => {
                    // The first events of a new knote are also in the answer to this request.
                    let others = self
                        .drain(*kq)?
                        .into_iter()
                        .any(|filter| known.contains(&filter));
                    known.extend(new);
                    if others {
                        channel.wake_pollers(kh);
                    }
                }
                Err(Errno::PANICKED) => return Err(Errno::PANICKED),
                Err(_) => watch.how = How::Selinfo,
            }
        }
        self.arm(watch, events, pending)
    }

    fn add_knotes(&self, kq: Fd, filters: &[i16]) -> Result<(), Errno> {
        let changes: Vec<Kevent> = filters
            .iter()
            .map(|&filter| Kevent::new(self.fd, filter, EV_ADD | EV_CLEAR))
            .collect();
        self.process.kevent(kq, &changes, &mut [], None).map(drop)
    }

    /// Takes the events that are in the kqueue; their filters.
    fn drain(&self, kq: Fd) -> Result<Vec<i16>, Errno> {
        let mut events = [Kevent::default(); 2];
        let found = self
            .process
            .kevent(kq, &[], &mut events, Some(Duration::ZERO))?;
        Ok(events[..found].iter().map(|event| event.filter).collect())
    }

    /// Registers for the next thing that happens.
    fn arm(
        self: &Arc<OpenFile>,
        watch: &mut Watch,
        events: i16,
        pending: &Arc<Pending>,
    ) -> Result<(), Errno> {
        let (fd, events) = match watch.how {
            How::Kqueue(kq, _) => (kq, POLLIN),
            How::NotYet | How::Selinfo => (self.fd, events),
        };
        let (file, queue) = (Arc::downgrade(self), pending.clone());
        let (ready, armed) =
            self.process
                .poll_watch(fd, events, Arc::new(move || queue.add(file.clone())))?;
        watch.armed = Some(armed);
        if ready != 0 && fd != self.fd {
            pending.add(Arc::downgrade(self));
        }
        Ok(())
    }

    /// The registered call-back was called.
    fn pending(self: &Arc<OpenFile>, pending: &Arc<Pending>, channel: &Channel) {
        let mut watch = self.watch.lock();
        match watch.how {
            How::NotYet => {}
            How::Selinfo => channel.wake_pollers(watch.kh),
            How::Kqueue(kq, _) => match self.drain(kq) {
                Ok(filters) => {
                    if !filters.is_empty() {
                        channel.wake_pollers(watch.kh);
                    }
                    // This fails when the kernel has panicked. Other code then notifies the waiting
                    // programs.
                    let _ = self.arm(&mut watch, 0, pending);
                }
                Err(_) => watch.armed = None,
            },
        }
    }
}

/// The sides to watch. A program that requests neither side still waits for POLLHUP.
fn filters(events: i16) -> impl Iterator<Item = i16> {
    let write = events & POLLOUT != 0;
    let read = events & (POLLIN | POLLRDNORM) != 0 || !write;
    [(EVFILT_READ, read), (EVFILT_WRITE, write)]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(filter, _)| filter)
}

fn to_freebsd(linux: u32) -> i16 {
    let mut events = (linux & SAME) as i16;
    if linux & LINUX_POLLWRNORM != 0 {
        events |= POLLWRNORM;
    }
    if linux & LINUX_POLLWRBAND != 0 {
        events |= POLLWRBAND;
    }
    events
}

fn to_linux(freebsd: i16, asked: u32) -> u32 {
    let mut events = freebsd as u32 & SAME;
    if freebsd & POLLWRNORM != 0 {
        events |= LINUX_POLLWRNORM;
    }
    if freebsd & POLLWRBAND != 0 {
        events |= LINUX_POLLWRBAND;
    }
    events & (asked | libc::POLLERR as u32 | libc::POLLHUP as u32 | libc::POLLNVAL as u32)
}
