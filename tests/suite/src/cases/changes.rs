//! What makes the device ready for somebody who waits in poll(2), select(2) or kevent(2).

use super::pattern;
use crate::abi::*;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::process::Process;
use crate::sys::Fd;

/// One of the events that the driver has to tell of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody writes to an empty device.
    Data,
    /// The only writer closes an empty device.
    LastClose,
    /// Somebody reads from a full device.
    Room,
    /// A full device grows.
    Grow,
    /// A full device is cleared.
    Clear,
}

/// Another process, and a device that is not ready.
pub struct Stage {
    change: Change,
    process: Process,
    fd: Fd,
}

impl Change {
    /// Brings the device to the state before.
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

    /// What poll(2) then finds.
    pub fn poll_event(self) -> i16 {
        if self.wakes_writers() {
            POLLOUT
        } else {
            POLLIN
        }
    }

    /// The filter that then fires.
    pub fn filter(self) -> i16 {
        if self.wakes_writers() {
            EVFILT_WRITE
        } else {
            EVFILT_READ
        }
    }

    /// What the filter says: `data`, and whether EV_EOF is set.
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
    /// Lets it happen.
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
