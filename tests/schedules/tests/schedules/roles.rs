//! The roles of the threads in the scenarios. Each also ends well when the module is unloaded, if
//! the scenario allows it.

use kldhost_shuttle::sync::{choose, steps};
use kldhost_shuttle::{
    EV_ADD, EV_EOF, EV_ERROR, EV_ONESHOT, EVFILT_READ, EVFILT_WRITE, Errno, Fd, Kevent, POLLHUP,
    POLLIN, POLLOUT, PollFd, Process,
};
use suite::abi::{ECHODEV_CLEAR, ECHODEV_SBUFSIZE};

use crate::stage::Stage;

/// How a call has ended that may be repeated.
enum Outcome {
    /// It has moved bytes; 0 is end of file.
    Moved(usize),
    /// It would have had to wait.
    Later,
    /// A signal has ended it.
    Interrupted,
    /// The device was destroyed.
    Gone,
}

fn outcome(stage: &Stage, call: &str, result: Result<usize, Errno>) -> Result<Outcome, String> {
    match result {
        Ok(n) => Ok(Outcome::Moved(n)),
        Err(Errno::EWOULDBLOCK) => Ok(Outcome::Later),
        Err(Errno::EINTR) => Ok(Outcome::Interrupted),
        Err(error) if stage.is_gone(error) => Ok(Outcome::Gone),
        Err(error) => Err(format!("{call}: {error}")),
    }
}

fn read_some(stage: &Stage, process: &Process, fd: Fd, size: usize) -> Result<Outcome, String> {
    let (called, mut buf) = (steps(), [0; 8]);
    let result = process.read(fd, &mut buf[..size]);
    if let Ok(n) = result {
        stage.bytes().read(called, &buf[..n]);
    }
    outcome(stage, "read", result)
}

/// Reads `size` bytes at most at a time, until the end of the file, and closes.
pub fn read_all(stage: &Stage, process: &Process, fd: Fd, size: usize) -> Result<(), String> {
    loop {
        match read_some(stage, process, fd, size)? {
            Outcome::Moved(0) | Outcome::Gone => return stage.close(process, fd),
            Outcome::Moved(_) | Outcome::Interrupted => {}
            Outcome::Later => return Err("read: EWOULDBLOCK, but it may wait".to_owned()),
        }
    }
}

/// Reads once, at most `size` bytes, or not at all if a signal arrives first. The descriptor stays
/// open.
pub fn read_once_only(stage: &Stage, process: &Process, fd: Fd, size: usize) -> Result<(), String> {
    match read_some(stage, process, fd, size)? {
        Outcome::Later => Err("read: EWOULDBLOCK, but it may wait".to_owned()),
        Outcome::Moved(_) | Outcome::Interrupted | Outcome::Gone => Ok(()),
    }
}

/// Reads all bytes without waiting. Returns false at the end of the file.
fn drain(stage: &Stage, process: &Process, fd: Fd) -> Result<bool, String> {
    loop {
        match read_some(stage, process, fd, 2)? {
            Outcome::Moved(0) | Outcome::Gone => return Ok(false),
            Outcome::Later => return Ok(true),
            Outcome::Moved(_) | Outcome::Interrupted => {}
        }
    }
}

fn write_some(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    writer: usize,
    n: usize,
) -> Result<Outcome, String> {
    let bytes = stage.bytes().next(writer, n);
    let result = process.write(fd, &bytes);
    if let Ok(n) = result {
        stage.bytes().taken(writer, n);
    }
    outcome(stage, "write", result)
}

/// Writes as writer number `writer`, in calls of these sizes. Bytes that a signal has cut off are
/// written next. The descriptor stays open, unless the module is unloaded.
pub fn write_all(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    writer: usize,
    calls: &[usize],
) -> Result<(), String> {
    'calls: for &size in calls {
        let mut left = size;
        while left > 0 {
            match write_some(stage, process, fd, writer, left)? {
                Outcome::Moved(n) => left -= n,
                Outcome::Interrupted => {}
                Outcome::Gone => break 'calls,
                Outcome::Later => return Err("write: EWOULDBLOCK, but it may wait".to_owned()),
            }
        }
    }
    if stage.unloads() {
        stage.close_writer(process, fd)
    } else {
        Ok(())
    }
}

/// Waits for `events`; false if the device was destroyed.
fn poll(stage: &Stage, process: &Process, fd: Fd, events: i16) -> Result<bool, String> {
    let mut fds = [PollFd::new(fd, events)];
    match process.poll(&mut fds, -1) {
        Ok(1) if fds[0].revents & !(events | POLLHUP) == 0 => Ok(fds[0].revents & POLLHUP == 0),
        Err(error) if stage.is_gone(error) => Ok(false),
        // After a signal, the caller checks the device and calls again.
        Err(Errno::EINTR) => Ok(true),
        result => Err(format!("poll: {result:?}, {:?}", fds[0])),
    }
}

/// As [`read_all`], but waits in poll(2).
pub fn poll_and_read(stage: &Stage, process: &Process, fd: Fd) -> Result<(), String> {
    while poll(stage, process, fd, POLLIN)? && drain(stage, process, fd)? {}
    stage.close(process, fd)
}

/// Writes `n` bytes one by one, waiting in poll(2).
pub fn poll_and_write(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    writer: usize,
    n: usize,
) -> Result<(), String> {
    let mut left = n;
    while left > 0 && poll(stage, process, fd, POLLOUT)? {
        match write_some(stage, process, fd, writer, 1)? {
            Outcome::Moved(n) => left -= n,
            Outcome::Later | Outcome::Interrupted => {}
            Outcome::Gone => break,
        }
    }
    if stage.unloads() {
        stage.close_writer(process, fd)
    } else {
        Ok(())
    }
}

/// A kqueue that waits for one event of the device; `None` if that was destroyed.
pub fn kqueue(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    filter: i16,
    flags: u16,
) -> Result<Option<Fd>, String> {
    let kq = process
        .kqueue()
        .map_err(|error| format!("kqueue: {error}"))?;
    match process.kevent(
        kq,
        &[Kevent::new(fd, filter, EV_ADD | flags)],
        &mut [],
        None,
    ) {
        Ok(_) => Ok(Some(kq)),
        Err(error) if stage.is_gone(error) => Ok(None),
        Err(error) => Err(format!("kevent: {error}")),
    }
}

/// Makes the changes and waits for the event; `None` if the device was destroyed.
fn kevent(
    stage: &Stage,
    process: &Process,
    kq: Fd,
    changes: &[Kevent],
) -> Result<Option<Kevent>, String> {
    let mut events = [Kevent::default()];
    match process.kevent(kq, changes, &mut events, None) {
        Err(Errno::EINTR) => kevent(stage, process, kq, changes),
        Ok(1)
            if events[0].flags & EV_ERROR != 0
                && i32::try_from(events[0].data).is_ok_and(|error| stage.is_gone(Errno(error))) =>
        {
            Ok(None)
        }
        Ok(1)
            if events[0].flags & EV_EOF != 0
                && events[0].fflags == Errno::ENXIO.0 as u32
                && stage.unloads() =>
        {
            Ok(None)
        }
        Ok(1) if events[0].fflags == 0 => Ok(Some(events[0])),
        result => Err(format!("kevent: {result:?}, {:?}", events[0])),
    }
}

/// Waits on `kq` for bytes to read, reads them, and repeats this until the end of the file. The
/// event must also report the end. `changes` are made before each wait.
pub fn wait_and_read(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    kq: Fd,
    changes: &[Kevent],
) -> Result<(), String> {
    while let Some(event) = kevent(stage, process, kq, changes)? {
        if !drain(stage, process, fd)? {
            break;
        }
        // The kernel returns an EV_ONESHOT event as the last KNOTE has left it.
        if changes.is_empty() && event.flags & EV_EOF == 0 && event.data == 0 {
            return Err(format!("kevent: {event:?} reports no change"));
        }
    }
    Ok(())
}

/// As [`read_all`], but waits in kevent(2). `flags` are those of the event.
pub fn kevent_and_read(stage: &Stage, process: &Process, fd: Fd, flags: u16) -> Result<(), String> {
    if let Some(kq) = kqueue(stage, process, fd, EVFILT_READ, flags)? {
        // The kernel has deleted an EV_ONESHOT knote when it returns the event.
        let changes = [Kevent::new(fd, EVFILT_READ, EV_ADD | flags)];
        let again = usize::from(flags & EV_ONESHOT != 0);
        wait_and_read(stage, process, fd, kq, &changes[..again])?;
        stage.close(process, kq)?;
    }
    stage.close(process, fd)
}

/// Writes `n` bytes, waiting in kevent(2) for room, which it fills.
pub fn kevent_and_write(
    stage: &Stage,
    process: &Process,
    fd: Fd,
    writer: usize,
    n: usize,
    flags: u16,
) -> Result<(), String> {
    let mut left = n;
    if let Some(kq) = kqueue(stage, process, fd, EVFILT_WRITE, flags)? {
        'waiting: while left > 0 && kevent(stage, process, kq, &[])?.is_some() {
            while left > 0 {
                match write_some(stage, process, fd, writer, 1)? {
                    Outcome::Moved(n) => left -= n,
                    Outcome::Later => continue 'waiting,
                    Outcome::Interrupted => {}
                    Outcome::Gone => break 'waiting,
                }
            }
        }
        stage.close(process, kq)?;
    }
    if stage.unloads() {
        stage.close_writer(process, fd)
    } else {
        Ok(())
    }
}

/// Starts a thread that closes the device, which is open for writing and has a knote. By chance it
/// closes the kqueue of that knote first.
pub fn start_leaver(stage: &Stage) -> Result<(), String> {
    let (process, fd) = stage.writer(0);
    // There is none if the device was revoked at once.
    let kq = kqueue(stage, &process, fd, EVFILT_WRITE, 0)?;
    stage.spawn("leaver", move |stage| {
        if let Some(kq) = kq.filter(|_| choose(2) == 0) {
            stage.close(&process, kq)?;
        }
        stage.close_writer(&process, fd)
    });
    Ok(())
}

/// ECHODEV_SBUFSIZE; it may find more bytes held than that.
pub fn resize(stage: &Stage, process: &Process, fd: Fd, size: usize) -> Result<(), String> {
    match process.ioctl(fd, ECHODEV_SBUFSIZE, &mut size.to_ne_bytes()) {
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(error) if stage.is_gone(error) => Ok(()),
        Err(error) => Err(format!("ECHODEV_SBUFSIZE: {error}")),
    }
}

/// ECHODEV_CLEAR.
pub fn clear(stage: &Stage, process: &Process, fd: Fd) -> Result<(), String> {
    stage.bytes().discard();
    match process.ioctl(fd, ECHODEV_CLEAR, 0) {
        Ok(()) => Ok(()),
        Err(error) if stage.is_gone(error) => Ok(()),
        Err(error) => Err(format!("ECHODEV_CLEAR: {error}")),
    }
}
