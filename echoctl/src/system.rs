//! What the commands need of the system that has the device.

use crate::{Errno, PollFlags};
use std::fmt;
use std::path::Path;

/// What a device is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `O_RDONLY`.
    Read,
    /// `O_RDWR`: a writer, for as long as it is open.
    ReadWrite,
}

/// A side of the device: kqueue(2) has a filter for each.
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

    /// open(2), with `O_NONBLOCK` and `O_NOCTTY`: whatever is there, it neither waits nor becomes a
    /// terminal to obey.
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

    /// poll(2): which of `events` there are, and errors. With `wait` it waits for one, else it
    /// returns at once.
    fn poll(&self, events: PollFlags, wait: bool) -> Result<PollFlags, Errno>;

    /// kevent(2) with `EV_ADD | EV_CLEAR` for each of `sides`.
    fn watch(&self, sides: &[Side]) -> Result<Self::Events, Errno>;
}

/// Where events arrive: a kqueue(2).
pub trait Events {
    /// kevent(2): the events there are, in their order, each side at most once. With `wait` it
    /// waits until there is one.
    ///
    /// # Errors
    ///
    /// Those of kevent(2).
    fn next(&mut self, wait: bool) -> Result<Vec<Event>, Errno>;
}

/// An event; its text is a line of `echoctl events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The side that it is about.
    pub side: Side,
    /// Bytes to read, or room in bytes.
    pub bytes: i64,
    /// `EV_EOF`: on the read side, nobody has the device open for writing.
    pub eof: bool,
    /// `EV_EOF` with an error number: the device is being unloaded.
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
