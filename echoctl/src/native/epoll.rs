//! Events by epoll(7) on systems without kevent(2). The device is on a FUSE mount there.
//!
//! An edge of epoll stands for an activated knote, and gives the same lines, if the mount
//!
//! - reports POLLIN, POLLOUT and POLLHUP as the driver's poll method does, and POLLRDHUP while
//!   there are no writers, which is `EV_EOF` of the read side, with or without bytes left;
//! - notifies an open file only of the side that it was last polled for. Each side is therefore
//!   polled through its own open file. When bytes arrive, that is an event of the read side, and
//!   not of the write side.

use super::{NativeDevice, open, uninterrupted};
use crate::{Access, Errno, Event, Events, Side, ioctl_call};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::stat::fstat;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

/// Bytes to read, or room in bytes.
pub fn bytes(fd: BorrowedFd<'_>, side: Side) -> Result<i32, Errno> {
    // The kernel answers FIONREAD from its copy of the file's size, which fstat(2) updates.
    fstat(fd)?;
    ioctl_call::bytes(fd, side)
}

/// An epoll with an open file for each side of a device.
pub struct NativeEvents {
    epoll: Epoll,
    /// Their indices identify them in epoll.
    files: Vec<(Side, OwnedFd)>,
}

impl NativeEvents {
    pub(super) fn new(device: &NativeDevice, sides: &[Side]) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let mut files = Vec::new();
        for &side in sides {
            let file = open(&device.path, Access::Read)?;
            let flags = match side {
                Side::Read => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP,
                Side::Write => EpollFlags::EPOLLOUT,
            };
            epoll.add(
                &file,
                EpollEvent::new(flags | EpollFlags::EPOLLET, files.len() as u64),
            )?;
            files.push((side, file));
        }
        Ok(Self { epoll, files })
    }

    /// The event that an edge stands for. There is none if the condition no longer holds, as with
    /// kqueue(2).
    fn event(&self, edge: &EpollEvent) -> Result<Option<Event>, Errno> {
        let (side, file) = &self.files[edge.data() as usize];
        let flags = edge.events();
        if flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            let bytes = bytes(file.as_fd(), *side).unwrap_or(0).into();
            return Ok(Some(Event {
                side: *side,
                bytes,
                eof: true,
                gone: true,
            }));
        }
        let eof = flags.contains(EpollFlags::EPOLLRDHUP);
        let bytes = bytes(file.as_fd(), *side)?.into();
        Ok((eof || bytes > 0).then_some(Event {
            side: *side,
            bytes,
            eof,
            gone: false,
        }))
    }
}

impl Events for NativeEvents {
    fn next(&mut self, wait: bool) -> Result<Vec<Event>, Errno> {
        let timeout = if wait {
            EpollTimeout::NONE
        } else {
            EpollTimeout::ZERO
        };
        loop {
            let mut edges = [EpollEvent::empty(); 2];
            let count = uninterrupted(|| self.epoll.wait(&mut edges, timeout))?;
            let events: Vec<Event> = edges[..count]
                .iter()
                .filter_map(|edge| self.event(edge).transpose())
                .collect::<Result<_, _>>()?;
            if !wait || !events.is_empty() {
                return Ok(events);
            }
        }
    }
}
