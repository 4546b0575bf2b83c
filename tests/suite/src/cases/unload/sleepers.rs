//! Processes that sleep in a call when the module is unloaded.

use super::super::kqueue::kevent;
use crate::abi::*;
use crate::call::Call;
use crate::check::{Failure, Outcome};
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHORD, ECHOWR, KQREAD, SELECT};
use crate::process::Process;
use crate::sys::{Fd, FdSets};
use alloc::vec;

/// A way to wait for the device.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    Read,
    Write,
    PollIn,
    PollOut,
    SelectRead,
    SelectWrite,
    KeventRead(u16),
    KeventWrite(u16),
}

pub const KINDS: [Wait; 8] = [
    Wait::Read,
    Wait::Write,
    Wait::PollIn,
    Wait::PollOut,
    Wait::SelectRead,
    Wait::SelectWrite,
    Wait::KeventRead(EV_CLEAR),
    Wait::KeventWrite(0),
];

/// A process asleep in one of these ways.
pub struct Sleeper {
    wait: Wait,
    process: Process,
    fd: Fd,
}

/// Leaves the device with no data, no room and a writer, so that every way of waiting waits.
pub fn nothing_to_be_had(cx: &mut Ctx) -> Outcome<Process> {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.resize(w, 0)?;
    Ok(p)
}

impl Wait {
    pub fn sleep(self, cx: &mut Ctx) -> Outcome<Sleeper> {
        let (process, fd) = cx.opened(O_RDWR)?;
        self.sleep_as(cx, process, fd)
    }

    pub fn sleep_as(self, cx: &mut Ctx, mut process: Process, fd: Fd) -> Outcome<Sleeper> {
        let select = |sets| Call::Select {
            sets,
            timeout: None,
        };
        let mut watch = |filter, flags| -> Outcome<Call> {
            let kq = process.kqueue()?;
            let changes = vec![kevent(fd, filter, EV_ADD | flags)];
            Ok(Call::Kevent {
                kq,
                changes,
                max: 1,
                timeout: None,
            })
        };
        let (call, wmesg) = match self {
            Wait::Read => (Call::read(fd, 10), ECHORD),
            Wait::Write => (Call::write(fd, b"abc"), ECHOWR),
            Wait::PollIn => (Call::poll(fd, POLLIN, None), SELECT),
            Wait::PollOut => (Call::poll(fd, POLLOUT, None), SELECT),
            Wait::SelectRead => (
                select(FdSets {
                    read: vec![fd],
                    ..FdSets::default()
                }),
                SELECT,
            ),
            Wait::SelectWrite => (
                select(FdSets {
                    write: vec![fd],
                    ..FdSets::default()
                }),
                SELECT,
            ),
            Wait::KeventRead(flags) => (watch(EVFILT_READ, flags)?, KQREAD),
            Wait::KeventWrite(flags) => (watch(EVFILT_WRITE, flags)?, KQREAD),
        };
        process.start(call)?;
        cx.asleep(&process, wmesg)?;
        Ok(Sleeper {
            wait: self,
            process,
            fd,
        })
    }
}

impl Sleeper {
    /// Checks that its call has returned, and reports that the device is gone.
    pub fn check_gone(&mut self) -> Outcome {
        let (wait, p) = (self.wait, &mut self.process);
        match wait {
            Wait::Read => check_eq!(p.finish_read()?, Err(ENXIO), "{wait:?}"),
            Wait::Write => check_eq!(p.finish_write()?, Err(ENXIO), "{wait:?}"),
            Wait::PollIn | Wait::PollOut => {
                let found = p.finish_poll()?;
                check_eq!(
                    found.map(|revents| revents & POLLHUP),
                    Ok(POLLHUP),
                    "{wait:?}"
                );
            }
            Wait::SelectRead => {
                check_eq!(
                    p.finish_select()?,
                    Ok(FdSets {
                        read: vec![self.fd],
                        ..FdSets::default()
                    }),
                    "{wait:?}"
                )
            }
            Wait::SelectWrite => {
                check_eq!(
                    p.finish_select()?,
                    Ok(FdSets {
                        write: vec![self.fd],
                        ..FdSets::default()
                    }),
                    "{wait:?}"
                )
            }
            Wait::KeventRead(_) => is_gone(p, self.fd, EVFILT_READ)?,
            Wait::KeventWrite(_) => is_gone(p, self.fd, EVFILT_WRITE)?,
        }
        Ok(())
    }
}

fn is_gone(p: &mut Process, fd: Fd, filter: i16) -> Outcome {
    let events = p.finish_kevent()?;
    let Ok([event]) = events.as_deref() else {
        return Err(Failure::new(alloc::format!(
            "expected one event, got {events:?}"
        )));
    };
    check_eq!((event.ident, event.filter), (fd as u64, filter));
    check_eq!(
        (event.flags & EV_EOF, event.fflags),
        (EV_EOF, ENXIO.0 as u32),
        "filter {filter}"
    );
    Ok(())
}
