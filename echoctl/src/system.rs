//! The calls that the commands make on the system with the device.

use crate::{Errno, PollFlags};
use std::fmt;
use std::path::Path;

/// The access mode of an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_RDWR`, which counts as a writer as long as it is open.
    ReadWrite,
}

/// A side of the device. kqueue(2) has a filter for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `EVFILT_READ`.
    Read,
    /// `EVFILT_WRITE`.
    Write,
}

/// Opens devices.
pub trait System {
    /// An open device.
    type Device: Device;

    /// open(2) with `O_NONBLOCK` and `O_NOCTTY`. So it does not wait on a FIFO, and no terminal
    /// becomes the controlling one.
    ///
    /// # Errors
    ///
    /// Those of open(2).
    fn open(&self, path: &Path, access: Access) -> Result<Self::Device, Errno>;
}

/// An open device, closed when it is dropped. The errors are those of the system call that each
/// method names.
pub trait Device {
    /// The events of the device, see [`Device::watch`].
    type Events: Events;

    /// ioctl(2) `ECHODEV_GBUFSIZE`: the size of the buffer, in bytes.
    fn buffer_size(&self) -> Result<usize, Errno>;

    /// ioctl(2) `ECHODEV_SBUFSIZE`: sets the size of the buffer, in bytes.
    fn set_buffer_size(&self, size: usize) -> Result<(), Errno>;

    /// ioctl(2) `ECHODEV_CLEAR`: discards the bytes held.
    fn clear(&self) -> Result<(), Errno>;

    /// ioctl(2) `FIONREAD` for the read side, `FIONWRITE` for the write side: bytes to read, or
    /// room in bytes.
    fn bytes(&self, side: Side) -> Result<i32, Errno>;

    /// poll(2), which returns those of `events` that are ready, and errors. It waits for one if
    /// `wait` is true, and returns at once otherwise.
    fn poll(&self, events: PollFlags, wait: bool) -> Result<PollFlags, Errno>;

    /// kevent(2) with `EV_ADD | EV_CLEAR` for each of `sides`.
    fn watch(&self, sides: &[Side]) -> Result<Self::Events, Errno>;
}

/// A source of events, a kqueue(2).
pub trait Events {
    /// kevent(2), which returns the active events in order, each side at most once. It waits for
    /// one if `wait` is true.
    ///
    /// # Errors
    ///
    /// Those of kevent(2).
    fn next(&mut self, wait: bool) -> Result<Vec<Event>, Errno>;
}

/// An event. Its text is a line of `echoctl events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The side of the event.
    pub side: Side,
    /// Bytes to read, or room in bytes.
    pub bytes: i64,
    /// `EV_EOF`. On the read side, it means that there are no writers.
    pub eof: bool,
    /// `EV_EOF` with an error number, which means that the device is being unloaded.
    pub gone: bool,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self.side {
            Side::Read => "EVFILT_READ",
            Side::Write => "EVFILT_WRITE",
        };
        let eof = if self.eof { "EV_EOF " } else { "" };
        write!(f, "{filter}: {eof}{} bytes", self.bytes)
    }
}
