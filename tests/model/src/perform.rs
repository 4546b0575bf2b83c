//! Calls, made by processes of kldhost.

use crate::call::{Call, Memory, Outcome, Request, Segment, Value};
use crate::spec::{Event, Side};
use crate::system::{DONE, number};
use kldhost::{
    EV_ADD, EV_CLEAR, EV_DELETE, EV_EOF, EVFILT_READ, EVFILT_WRITE, Errno, FIOASYNC, FIONBIO,
    FIONREAD, FIONWRITE, Fd, IoctlArg, Kevent, PollFd, Process, SigAction, Signal, UserIn, UserMem,
    UserOut,
};
use std::time::Duration;

/// The device.
pub const DEVICE: &str = "/dev/echo";
/// The signal that processes have a handler for.
pub const SIGNAL: Signal = Signal::USR1;

/// ECHODEV_GBUFSIZE.
pub const GBUFSIZE: u64 = 0x4008_4564;
/// ECHODEV_SBUFSIZE.
pub const SBUFSIZE: u64 = 0x8008_4565;
const CLEAR: u64 = 0x2000_4566;
/// A request that the device does not have.
const UNKNOWN: u64 = 0x4004_4567;

/// The contents of memory before a read.
const UNTOUCHED: u8 = 0xee;

/// The result, or the error.
fn outcome<T>(result: Result<T, Errno>, value: impl FnOnce(T) -> Outcome) -> Outcome {
    result.and_then(value)
}

/// Makes `call`, which is a system call of the process.
pub fn perform(process: &Process, call: &Call) -> Outcome {
    match call {
        Call::Open { flags } => outcome(process.open(DEVICE, *flags), |fd| number(fd as usize)),
        Call::Close { fd } => outcome(process.close(*fd), |()| DONE),
        Call::Dup { fd } => outcome(process.dup(*fd), |fd| number(fd as usize)),
        Call::Read { fd, memory } => read(process, *fd, memory),
        Call::Write { fd, memory, bytes } => write(process, *fd, memory, bytes),
        Call::Ioctl { fd, request, bad } => ioctl(process, *fd, *request, *bad),
        Call::GetFlags { fd } => outcome(process.getfl(*fd), |flags| number(flags as usize)),
        Call::SetFlags { fd, flags } => outcome(process.setfl(*fd, *flags), |()| DONE),
        Call::Poll { fd, events, wait } => {
            let mut fds = [PollFd::new(*fd, *events)];
            let found = process.poll(&mut fds, if *wait { -1 } else { 0 });
            outcome(found, |_| Ok(Value::Number(fds[0].revents.into())))
        }
        Call::Kqueue => outcome(process.kqueue(), |fd| number(fd as usize)),
        Call::Watch {
            kq,
            fd,
            side,
            clear,
        } => {
            let change = Kevent::new(
                *fd,
                filter(*side),
                EV_ADD | if *clear { EV_CLEAR } else { 0 },
            );
            outcome(
                process.kevent(*kq, &[change], &mut [], Some(Duration::ZERO)),
                |_| DONE,
            )
        }
        Call::Unwatch { kq, fd, side } => {
            let change = Kevent::new(*fd, filter(*side), EV_DELETE);
            outcome(
                process.kevent(*kq, &[change], &mut [], Some(Duration::ZERO)),
                |_| DONE,
            )
        }
        Call::Kevent { kq, wait } => {
            let mut events = [Kevent::default(); 16];
            let found = process.kevent(*kq, &[], &mut events, (!wait).then_some(Duration::ZERO));
            outcome(found, |n| {
                let mut events: Vec<Event> = events[..n].iter().map(event).collect();
                events.sort();
                Ok(Value::Events(events))
            })
        }
        Call::Handler { restart } => outcome(
            process.sigaction(SIGNAL, SigAction::Handler { restart: *restart }),
            |()| DONE,
        ),
        Call::Revoke => outcome(process.revoke(DEVICE), |()| DONE),
        Call::Fork { .. } | Call::Signal { .. } | Call::Kill { .. } | Call::Load | Call::Unload => {
            unreachable!("an action of another process")
        }
    }
}

fn filter(side: Side) -> i16 {
    match side {
        Side::Read => EVFILT_READ,
        Side::Write => EVFILT_WRITE,
    }
}

fn event(event: &Kevent) -> Event {
    let side = if event.filter == EVFILT_READ {
        Side::Read
    } else {
        Side::Write
    };
    let gone = match Errno(event.fflags as i32) {
        Errno(0) => false,
        Errno::ENXIO => true,
        other => panic!("an event with {other:?} in fflags"),
    };
    Event {
        fd: event.ident as Fd,
        side,
        data: event.data,
        eof: event.flags & EV_EOF != 0,
        gone,
    }
}

/// User memory filled with `byte`. The part within reach ends at an inaccessible page.
fn map(segment: &Segment, bytes: &[u8]) -> UserMem {
    let memory = UserMem::new(segment.good);
    memory.store(0, &bytes[..segment.good]);
    memory
}

fn read(process: &Process, fd: Fd, memory: &Memory) -> Outcome {
    let mut plain: Vec<Vec<u8>> = memory
        .0
        .iter()
        .map(|segment| vec![UNTOUCHED; segment.good])
        .collect();
    let mapped: Vec<UserMem> = memory
        .0
        .iter()
        .zip(&plain)
        .map(|(segment, bytes)| map(segment, bytes))
        .collect();
    let mut out: Vec<UserOut<'_>> = mapped
        .iter()
        .zip(&memory.0)
        .map(|(memory, s)| memory.out(..s.len))
        .collect();
    let n = match out.len() {
        1 => process.read(fd, out.remove(0)),
        _ => process.readv(fd, &mut out),
    }?;
    for (bytes, memory) in plain.iter_mut().zip(&mapped) {
        *bytes = memory.load();
    }
    let (read, rest) = (plain.concat()[..n].to_vec(), &plain.concat()[n..]);
    assert!(
        rest.iter().all(|byte| *byte == UNTOUCHED),
        "read(2) of {n} bytes wrote beyond them"
    );
    Ok(Value::Bytes(read))
}

fn write(process: &Process, fd: Fd, memory: &Memory, bytes: &[u8]) -> Outcome {
    let mut rest = bytes;
    let mut mapped = Vec::new();
    for segment in &memory.0 {
        let (here, behind) = rest.split_at(segment.len);
        mapped.push(map(segment, here));
        rest = behind;
    }
    let from: Vec<UserIn<'_>> = mapped
        .iter()
        .zip(&memory.0)
        .map(|(memory, s)| memory.input(..s.len))
        .collect();
    let n = match from.as_slice() {
        [one] => process.write(fd, *one),
        many => process.writev(fd, many),
    };
    outcome(n, number)
}

fn ioctl(process: &Process, fd: Fd, request: Request, bad: bool) -> Outcome {
    let mut data = match request {
        Request::Resize(len) => len.to_ne_bytes(),
        Request::NonBlock(on) | Request::Async(on) => usize::from(on).to_ne_bytes(),
        _ => [0; 8],
    };
    let code = match request {
        Request::Size => GBUFSIZE,
        Request::Resize(_) => SBUFSIZE,
        Request::Clear => CLEAR,
        Request::NonBlock(_) => FIONBIO,
        Request::Async(_) => FIOASYNC,
        Request::Count(Side::Read) => FIONREAD,
        Request::Count(Side::Write) => FIONWRITE,
        Request::Unknown => UNKNOWN,
    };
    let arg = if bad {
        IoctlArg::Data(UserOut::unmapped(8))
    } else {
        IoctlArg::from(&mut data)
    };
    process.ioctl(fd, code, arg)?;
    match request {
        Request::Size | Request::Count(_) => Ok(Value::Number(i64::from_ne_bytes(data))),
        _ => DONE,
    }
}
