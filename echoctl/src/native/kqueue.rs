//! Events by kevent(2).

use super::{NativeDevice, uninterrupted};
use crate::{Errno, Event, Events, Side, ioctl_call};
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use std::os::fd::AsRawFd as _;

pub use ioctl_call::bytes;

/// A kqueue(2) with a filter for each side of a device.
pub struct NativeEvents {
    queue: Kqueue,
}

fn kevent(ident: usize, filter: EventFilter) -> KEvent {
    KEvent::new(
        ident,
        filter,
        EvFlags::EV_ADD | EvFlags::EV_CLEAR,
        FilterFlag::empty(),
        0,
        0,
    )
}

impl NativeEvents {
    pub(super) fn new(device: &NativeDevice, sides: &[Side]) -> Result<Self, Errno> {
        let queue = Kqueue::new()?;
        let fd = device.fd.as_raw_fd() as usize;
        for side in sides {
            let filter = match side {
                Side::Read => EventFilter::EVFILT_READ,
                Side::Write => EventFilter::EVFILT_WRITE,
            };
            queue.kevent(&[kevent(fd, filter)], &mut [], None)?;
        }
        Ok(Self { queue })
    }
}

impl Events for NativeEvents {
    fn next(&mut self, wait: bool) -> Result<Vec<Event>, Errno> {
        // As many as there are filters.
        let mut found = [kevent(0, EventFilter::EVFILT_READ); 2];
        let timeout = (!wait).then_some(timespec {
            tv_sec: 0,
            tv_nsec: 0,
        });
        let count = uninterrupted(|| self.queue.kevent(&[], &mut found, timeout))?;
        found[..count].iter().map(event).collect()
    }
}

fn event(kevent: &KEvent) -> Result<Event, Errno> {
    let side = match kevent.filter()? {
        EventFilter::EVFILT_READ => Side::Read,
        _ => Side::Write,
    };
    let eof = kevent.flags().contains(EvFlags::EV_EOF);
    // With EV_EOF, fflags is an error number. The driver sets ENXIO while it is being unloaded.
    let gone = eof && !kevent.fflags().is_empty();
    Ok(Event {
        side,
        bytes: kevent.data() as i64,
        eof,
        gone,
    })
}
