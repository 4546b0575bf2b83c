//! The commands.

use crate::args::{Command, Watch};
use crate::{Access, Device, Errno, Error, Event, Events as _, PollFlags, Side, System};
use std::io::Write;
use std::path::Path;

#[cfg(test)]
mod tests;

/// Runs `command` on the device at `path`, and writes its output to `out`.
///
/// # Errors
///
/// [`Error`], whose text is the message for the user. Earlier output has been written. For a device
/// that is gone, `poll` and `events` print their events and then fail with [`Error::Gone`].
pub fn run<S: System>(
    command: &Command,
    path: &Path,
    system: &S,
    out: &mut impl Write,
) -> Result<(), Error> {
    match command {
        Command::Clear => clear(path, system)?,
        Command::Events(watch) => events(path, system, *watch, out)?,
        Command::Poll(watch) => poll(path, system, *watch, out)?,
        Command::Resize { size } => resize(path, system, *size)?,
        Command::Size => size(path, system, out)?,
    }
    Ok(out.flush()?)
}

fn clear<S: System>(path: &Path, system: &S) -> Result<(), Error> {
    let (device, _) = open(path, system, Access::ReadWrite)?;
    device
        .clear()
        .map_err(|errno| Error::request(path, "clear", errno))
}

fn resize<S: System>(path: &Path, system: &S, size: usize) -> Result<(), Error> {
    let (device, _) = open(path, system, Access::ReadWrite)?;
    device.set_buffer_size(size).map_err(|errno| {
        let hint = match errno {
            Errno::EBUSY => " (it holds more bytes than that; `echoctl clear` discards them)",
            Errno::EINVAL => " (above the limit, hw.echodev.maxsize)",
            _ => "",
        };
        Error::Request {
            path: path.to_owned(),
            request: format!("resize to {size}"),
            errno,
            hint,
        }
    })
}

fn size<S: System>(path: &Path, system: &S, out: &mut impl Write) -> Result<(), Error> {
    let (_, size) = open(path, system, Access::Read)?;
    Ok(writeln!(out, "{size}")?)
}

fn poll<S: System>(
    path: &Path,
    system: &S,
    watch: Watch,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (device, _) = open(path, system, Access::Read)?;
    let mut asked = PollFlags::empty();
    asked.set(PollFlags::POLLIN, watch.reads());
    asked.set(PollFlags::POLLOUT, watch.writes());
    let found = device
        .poll(asked, watch.wait)
        .map_err(|errno| Error::request(path, "poll", errno))?;

    let names: Vec<&str> = found.iter_names().map(|(name, _)| name).collect();
    let names = if names.is_empty() {
        "<none>".to_owned()
    } else {
        names.join("|")
    };
    writeln!(out, "Returned events: {names}")?;
    if found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL) {
        out.flush()?;
        return Err(Error::Gone(path.to_owned()));
    }
    let bytes = |side, name| {
        device
            .bytes(side)
            .map_err(|errno| Error::request(path, name, errno))
    };
    if found.contains(PollFlags::POLLIN) {
        writeln!(
            out,
            "{} bytes available to read",
            bytes(Side::Read, "FIONREAD")?
        )?;
    }
    if found.contains(PollFlags::POLLOUT) {
        writeln!(
            out,
            "room to write {} bytes",
            bytes(Side::Write, "FIONWRITE")?
        )?;
    }
    Ok(())
}

fn events<S: System>(
    path: &Path,
    system: &S,
    watch: Watch,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (device, _) = open(path, system, Access::Read)?;
    let sides: Vec<Side> = [(Side::Read, watch.reads()), (Side::Write, watch.writes())]
        .into_iter()
        .filter_map(|(side, asked)| asked.then_some(side))
        .collect();
    let failed = |errno| Error::request(path, "events", errno);
    let mut events = device.watch(&sides).map_err(failed)?;
    loop {
        let batch: Vec<Event> = events.next(watch.wait).map_err(failed)?;
        for event in &batch {
            writeln!(out, "{event}")?;
            out.flush()?;
        }
        // No event will follow.
        if batch.iter().any(|event| event.gone) {
            return Err(Error::Gone(path.to_owned()));
        }
        if !watch.wait {
            return Ok(());
        }
    }
}

/// Opens the device and gets the size of its buffer, which only an echo device supports. No other
/// request is made on any other device.
fn open<S: System>(path: &Path, system: &S, access: Access) -> Result<(S::Device, usize), Error> {
    let device = system.open(path, access).map_err(|errno| Error::Open {
        path: path.to_owned(),
        errno,
    })?;
    match device.buffer_size() {
        Ok(size) => Ok((device, size)),
        Err(Errno::ENOTTY | Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOSYS) => {
            Err(Error::NotEcho(path.to_owned()))
        }
        Err(errno) => Err(Error::request(path, "size", errno)),
    }
}
