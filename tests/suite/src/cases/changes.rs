//! The changes that make the device ready for threads in poll(2), select(2) or kevent(2).

use super::pattern;
use crate::abi::*;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::process::Process;
use crate::sys::Fd;

/// A change that the driver has to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A write to an empty device.
    Data,
    /// The close of an empty device by its only writer.
    LastClose,
    /// A read from a full device.
    Room,
    /// A larger size for a full device.
    Grow,
    /// A clear of a full device.
    Clear,
}

/// Another process, and a device that is not ready.
pub struct Stage {
    change: Change,
    process: Process,
    fd: Fd,
}

impl Change {
    /// Brings the device to the state before the change.
    pub fn prepare(self, cx: &mut Ctx) -> Outcome<Stage> {
        let (mut process, fd) = cx.opened(O_RDWR | O_NONBLOCK)?;
        if self.wakes_writers() {
            check_eq!(process.write(fd, &pattern(64))?, Ok(64));
        }
        Ok(Stage {
            change: self,
            process,
            fd,
        })
    }

    fn wakes_writers(self) -> bool {
        matches!(self, Change::Room | Change::Grow | Change::Clear)
    }

    /// The event of poll(2) after the change.
    pub fn poll_event(self) -> i16 {
        if self.wakes_writers() {
            POLLOUT
        } else {
            POLLIN
        }
    }

    /// The filter that fires after the change.
    pub fn filter(self) -> i16 {
        if self.wakes_writers() {
            EVFILT_WRITE
        } else {
            EVFILT_READ
        }
    }

    /// The event of that filter, as `data` and whether EV_EOF is set.
    pub fn event(self) -> (i64, bool) {
        match self {
            Change::Data => (3, false),
            Change::LastClose => (0, true),
            Change::Room => (5, false),
            Change::Grow => (36, false),
            Change::Clear => (64, false),
        }
    }
}

impl Stage {
    /// Makes the change.
    pub fn happen(&mut self) -> Outcome {
        match self.change {
            Change::Data => check_eq!(self.process.write(self.fd, b"abc")?, Ok(3)),
            Change::LastClose => self.process.close(self.fd)?,
            Change::Room => check_eq!(self.process.read(self.fd, 5)?, Ok(pattern(5))),
            Change::Grow => self.process.resize(self.fd, 100)?,
            Change::Clear => self.process.clear(self.fd)?,
        }
        Ok(())
    }
}
