//! The hosted kernel as the system that `echoctl` runs on.

use echoctl::{Access, Device, Event, Events, PollFlags, Side, System};
use kldhost::{
    EV_ADD, EV_CLEAR, EV_EOF, EVFILT_READ, EVFILT_WRITE, FIONREAD, FIONWRITE, Fd, Kevent,
    O_NONBLOCK, O_RDONLY, O_RDWR, PollFd, Process,
};
use std::path::Path;
use std::time::Duration;

/// `_IOR('E', 100, size_t)`, `_IOW('E', 101, size_t)`, `_IO('E', 102)`.
const ECHODEV_GBUFSIZE: u64 = 0x4008_4564;
const ECHODEV_SBUFSIZE: u64 = 0x8008_4565;
const ECHODEV_CLEAR: u64 = 0x2000_4566;

type Result<T> = std::result::Result<T, echoctl::Errno>;

/// A process of the hosted kernel.
pub struct Hosted(pub Process);

/// A descriptor of it.
pub struct Open {
    process: Process,
    fd: Fd,
}

fn errno(error: kldhost::Errno) -> echoctl::Errno {
    echoctl::Errno::from_raw(kldhost::fuse::linux_errno(error))
}

impl Drop for Open {
    fn drop(&mut self) {
        // Like the close at the end of a program, which reports no error.
        let _ = self.process.close(self.fd);
    }
}

impl System for Hosted {
    type Device = Open;

    fn open(&self, path: &Path, access: Access) -> Result<Open> {
        let mode = match access {
            Access::Read => O_RDONLY,
            Access::ReadWrite => O_RDWR,
        };
        let path = path.to_str().ok_or(echoctl::Errno::ENOENT)?;
        let fd = self.0.open(path, mode | O_NONBLOCK).map_err(errno)?;
        Ok(Open {
            process: self.0.clone(),
            fd,
        })
    }
}

impl Device for Open {
    type Events = Open;

    fn buffer_size(&self) -> Result<usize> {
        let mut size = [0; size_of::<usize>()];
        self.process
            .ioctl(self.fd, ECHODEV_GBUFSIZE, &mut size)
            .map_err(errno)?;
        Ok(usize::from_ne_bytes(size))
    }

    fn set_buffer_size(&self, size: usize) -> Result<()> {
        self.process
            .ioctl(self.fd, ECHODEV_SBUFSIZE, &mut size.to_ne_bytes())
            .map_err(errno)
    }

    fn clear(&self) -> Result<()> {
        self.process.ioctl(self.fd, ECHODEV_CLEAR, 0).map_err(errno)
    }

    fn bytes(&self, side: Side) -> Result<i32> {
        let request = match side {
            Side::Read => FIONREAD,
            Side::Write => FIONWRITE,
        };
        let mut bytes = [0; 4];
        self.process
            .ioctl(self.fd, request, &mut bytes)
            .map_err(errno)?;
        Ok(i32::from_ne_bytes(bytes))
    }

    fn poll(&self, events: PollFlags, wait: bool) -> Result<PollFlags> {
        // The events of echoctl have the same bits in both systems.
        let mut fds = [PollFd::new(self.fd, events.bits())];
        self.process
            .poll(&mut fds, if wait { -1 } else { 0 })
            .map_err(errno)?;
        Ok(PollFlags::from_bits_retain(fds[0].revents))
    }

    fn watch(&self, sides: &[Side]) -> Result<Open> {
        let kq = Open {
            process: self.process.clone(),
            fd: self.process.kqueue().map_err(errno)?,
        };
        let filter = |side: &Side| match side {
            Side::Read => EVFILT_READ,
            Side::Write => EVFILT_WRITE,
        };
        let changes: Vec<_> = sides
            .iter()
            .map(|side| Kevent::new(self.fd, filter(side), EV_ADD | EV_CLEAR))
            .collect();
        self.process
            .kevent(kq.fd, &changes, &mut [], None)
            .map_err(errno)?;
        Ok(kq)
    }
}

impl Events for Open {
    fn next(&mut self, wait: bool) -> Result<Vec<Event>> {
        let mut events = [Kevent::default(); 2];
        let timeout = (!wait).then_some(Duration::ZERO);
        let count = self
            .process
            .kevent(self.fd, &[], &mut events, timeout)
            .map_err(errno)?;
        let event = |event: &Kevent| Event {
            side: if event.filter == EVFILT_READ {
                Side::Read
            } else {
                Side::Write
            },
            bytes: event.data,
            eof: event.flags & EV_EOF != 0,
            gone: event.flags & EV_EOF != 0 && event.fflags != 0,
        };
        Ok(events[..count].iter().map(event).collect())
    }
}
