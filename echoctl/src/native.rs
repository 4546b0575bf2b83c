//! The system calls of the system that this program runs on.

use crate::{Access, Device, Errno, PollFlags, Side, System, ioctl_call};
use nix::fcntl::{self, OFlag};
use nix::poll::{PollFd, PollTimeout, poll};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

#[cfg(target_os = "linux")]
mod epoll;
#[cfg(not(target_os = "linux"))]
mod kqueue;
#[cfg(target_os = "linux")]
use epoll as events;
#[cfg(not(target_os = "linux"))]
use kqueue as events;

/// The system that this program runs on.
pub struct Native;

/// A device that is open on this system.
pub struct NativeDevice {
    fd: OwnedFd,
    /// Its path, because epoll needs to open it again.
    #[cfg(target_os = "linux")]
    path: std::path::PathBuf,
}

impl System for Native {
    type Device = NativeDevice;

    fn open(&self, path: &Path, access: Access) -> Result<NativeDevice, Errno> {
        Ok(NativeDevice {
            fd: open(path, access)?,
            #[cfg(target_os = "linux")]
            path: path.to_owned(),
        })
    }
}

fn open(path: &Path, access: Access) -> Result<OwnedFd, Errno> {
    let access = match access {
        Access::Read => OFlag::O_RDONLY,
        Access::ReadWrite => OFlag::O_RDWR,
    };
    fcntl::open(
        path,
        access | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC,
        Mode::empty(),
    )
}

impl Device for NativeDevice {
    type Events = events::NativeEvents;

    fn buffer_size(&self) -> Result<usize, Errno> {
        ioctl_call::buffer_size(self.fd.as_fd())
    }

    fn set_buffer_size(&self, size: usize) -> Result<(), Errno> {
        ioctl_call::set_buffer_size(self.fd.as_fd(), size)
    }

    fn clear(&self) -> Result<(), Errno> {
        ioctl_call::clear(self.fd.as_fd())
    }

    fn bytes(&self, side: Side) -> Result<i32, Errno> {
        events::bytes(self.fd.as_fd(), side)
    }

    fn poll(&self, events: PollFlags, wait: bool) -> Result<PollFlags, Errno> {
        let mut fds = [PollFd::new(self.fd.as_fd(), events)];
        let timeout = if wait {
            PollTimeout::NONE
        } else {
            PollTimeout::ZERO
        };
        uninterrupted(|| poll(&mut fds, timeout))?;
        Ok(fds[0].revents().unwrap_or_else(PollFlags::empty))
    }

    fn watch(&self, sides: &[Side]) -> Result<Self::Events, Errno> {
        events::NativeEvents::new(self, sides)
    }
}

/// Makes a call again when it was interrupted, so that a stopped and continued process still waits.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => (),
            result => return result,
        }
    }
}
