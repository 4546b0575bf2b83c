//! The rules of `/dev/echo` in plain Rust, with which the module is compared.
//!
//! Each function is one section under the device's lock. [`crate::system`] has the steps of a call
//! between two sections, and the calls that may run in between.

use kldhost::{Errno, Fd, POLLHUP, POLLIN, POLLOUT, POLLRDNORM};
use std::collections::VecDeque;

/// A side of the device that a call can wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Bytes or the end of file.
    Read,
    /// Room.
    Write,
}

/// The end of a section.
pub enum Stretch<T> {
    /// The result.
    Done(Result<T, Errno>),
    /// The caller has to sleep first.
    Wait,
}

/// The event of kevent(2) for one side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Event {
    /// The descriptor that is watched.
    pub fd: Fd,
    /// `EVFILT_READ` or `EVFILT_WRITE`.
    pub side: Side,
    /// Bytes held, or room left.
    pub data: i64,
    /// EV_EOF.
    pub eof: bool,
    /// ENXIO in `fflags`, which means that the device is gone.
    pub gone: bool,
}

/// A knote, with which kqueue `kq` of process `proc` watches one side through descriptor `fd`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Watch {
    pub proc: usize,
    pub kq: Fd,
    pub fd: Fd,
    pub side: Side,
    /// EV_CLEAR.
    pub clear: bool,
    /// It has fired, and the kqueue will check it.
    pub active: bool,
}

/// The device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    pub held: VecDeque<u8>,
    pub len: usize,
    pub max: usize,
    pub writers: u32,
    pub dying: bool,
    pub watches: Vec<Watch>,
}

impl Device {
    /// The state after a load.
    pub fn new(len: usize, max: usize) -> Device {
        Device {
            held: VecDeque::new(),
            len,
            max,
            writers: 0,
            dying: false,
            watches: Vec::new(),
        }
    }

    fn room(&self) -> usize {
        self.len - self.held.len()
    }

    /// The error that a call returns instead of waiting.
    fn wait<T>(&self, nonblock: bool) -> Stretch<T> {
        match (self.dying, nonblock) {
            (true, _) => Stretch::Done(Err(Errno::ENXIO)),
            (false, true) => Stretch::Done(Err(Errno::EWOULDBLOCK)),
            (false, false) => Stretch::Wait,
        }
    }

    /// open(2). `write` means with FWRITE.
    pub fn open(&mut self, write: bool) -> Result<(), Errno> {
        if self.dying {
            return Err(Errno::ENXIO);
        }
        self.writers += u32::from(write);
        Ok(())
    }

    /// The last close of a description that counts as a writer.
    pub fn uncount(&mut self) {
        self.writers -= 1;
        if self.writers == 0 {
            self.changed(Side::Read);
        }
    }

    /// A forced close of all.
    pub fn revoke(&mut self) {
        self.writers = 0;
        self.changed(Side::Read);
        self.changed(Side::Write);
    }

    /// read(2) of `want` bytes to memory whose first `good` bytes can be written to.
    pub fn read(&mut self, want: usize, good: usize, nonblock: bool) -> Stretch<Vec<u8>> {
        if self.held.is_empty() && self.writers > 0 {
            return self.wait(nonblock);
        }
        let n = want.min(self.held.len());
        if n > good {
            return Stretch::Done(Err(Errno::EFAULT));
        }
        let bytes = self.held.drain(..n).collect();
        self.changed(Side::Write);
        Stretch::Done(Ok(bytes))
    }

    /// One transfer of write(2), from `bytes` that are still to be written. The first `good` of
    /// them can be read. Returns the number of bytes moved.
    pub fn write(&mut self, bytes: &[u8], good: usize, nonblock: bool) -> Stretch<usize> {
        let n = bytes.len().min(self.room());
        if n == 0 {
            return self.wait(nonblock);
        }
        if n > good {
            return Stretch::Done(Err(Errno::EFAULT));
        }
        self.held.extend(&bytes[..n]);
        self.changed(Side::Read);
        Stretch::Done(Ok(n))
    }

    /// ECHODEV_SBUFSIZE.
    pub fn resize(&mut self, len: usize) -> Result<(), Errno> {
        if len > self.max {
            return Err(Errno::EINVAL);
        }
        if len < self.held.len() {
            return Err(Errno::EBUSY);
        }
        let grown = len > self.len;
        self.len = len;
        if grown {
            self.changed(Side::Write);
        }
        Ok(())
    }

    /// ECHODEV_CLEAR.
    pub fn clear(&mut self) {
        self.held.clear();
        self.changed(Side::Write);
    }

    /// FIONREAD, FIONWRITE.
    pub fn count(&self, side: Side) -> usize {
        match side {
            Side::Read => self.held.len(),
            Side::Write => self.room(),
        }
    }

    /// d_poll.
    pub fn poll(&self, events: i16) -> i16 {
        let readable = !self.held.is_empty() || self.writers == 0;
        let when = |holds: bool, bits: i16| if holds { bits } else { 0 };
        events & (when(readable, POLLIN | POLLRDNORM) | when(self.room() > 0, POLLOUT))
            | when(self.dying, POLLHUP)
    }

    /// d_kqfilter of a new watch, which fires at once if its condition holds.
    pub fn attach(&mut self, watch: Watch) -> Result<(), Errno> {
        if self.dying {
            return Err(Errno::ENXIO);
        }
        let active = self.event(&watch).is_some();
        self.watches.push(Watch { active, ..watch });
        Ok(())
    }

    /// f_event. Returns the event if its condition holds.
    pub fn event(&self, watch: &Watch) -> Option<Event> {
        let no_writers = watch.side == Side::Read && self.writers == 0;
        let data = self.count(watch.side) as i64;
        let event = Event {
            fd: watch.fd,
            side: watch.side,
            data,
            eof: no_writers || self.dying,
            gone: self.dying,
        };
        (data > 0 || event.eof).then_some(event)
    }

    /// The first step of an unload.
    pub fn hang_up(&mut self) {
        self.dying = true;
        self.changed(Side::Read);
        self.changed(Side::Write);
    }

    /// KNOTE. A watch fires if its condition holds.
    fn changed(&mut self, side: Side) {
        for at in 0..self.watches.len() {
            if self.watches[at].side == side && self.event(&self.watches[at]).is_some() {
                self.watches[at].active = true;
            }
        }
    }
}
