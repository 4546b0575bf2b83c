//! Descriptors that outlive the module. The kernel answers calls on them, and a later load does not
//! revive them.

use super::kqueue::kevent;
use crate::abi::*;
use crate::call::{From, Into};
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::process::Process;
use crate::sys::{Fd, FdSets};
use alloc::vec;

cases! { "dead":
    read_and_write [Unload],
    vectored [Unload],
    positioned [Unload, Positioned],
    ioctl [Unload],
    poll_and_select [Unload],
    poll_for_other_events [Unload, RawPoll],
    kevent_is_refused [Unload, Kqueue],
    access_mode_still_counts [Unload],
    close_and_open [Unload],
    dup_and_fork [Unload],
    untouched_by_the_next_load [Unload],
    closing_does_not_change_the_next_load [Unload],
}

/// A descriptor whose module is gone.
fn dead(cx: &mut Ctx, flags: i32) -> Outcome<(Process, Fd)> {
    let (mut p, fd) = cx.opened(flags)?;
    let w = p.open(O_WRONLY)?;
    check_eq!(p.write(w, b"abc")?, Ok(3));
    cx.unload()?;
    Ok((p, fd))
}

/// Makes all kinds of calls on a descriptor that is dead.
pub fn answers_as_dead(p: &mut Process, rw: Fd) -> Outcome {
    check_one_of!(p.read(rw, 10)?, [Err(EIO), Err(ENXIO)]);
    check_one_of!(p.write(rw, b"abc")?, [Err(EIO), Err(ENXIO)]);
    check_one_of!(
        p.try_clear(rw)?,
        [Err(ENXIO), Err(ENOTTY), Err(EBADF), Err(ENODEV)]
    );
    let found = p.poll(rw, POLLIN | POLLOUT)?;
    check_eq!(found.map(|revents| revents & POLLHUP), Ok(POLLHUP));
    Ok(())
}

fn read_and_write(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    for _ in 0..2 {
        answers_as_dead(&mut p, rw)?;
        check_eq!(
            p.read(rw, 0)?,
            Ok(vec![]),
            "zero bytes never reach the device"
        );
    }
    Ok(())
}

fn vectored(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    check_one_of!(p.readv(rw, vec![Into::all(5); 2])?, [Err(EIO), Err(ENXIO)]);
    check_one_of!(
        p.writev(rw, vec![From::all(b"abc"); 2])?,
        [Err(EIO), Err(ENXIO)]
    );
    Ok(())
}

fn positioned(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    check_one_of!(p.pread(rw, 5, 1)?, [Err(EIO), Err(ENXIO)]);
    check_one_of!(p.pwrite(rw, b"abc", 1)?, [Err(EIO), Err(ENXIO)]);
    Ok(())
}

fn ioctl(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    for (request, len) in [
        (ECHODEV_GBUFSIZE, 8),
        (ECHODEV_SBUFSIZE, 8),
        (ECHODEV_CLEAR, 0),
        (FIONREAD, 4),
        (FIONWRITE, 4),
        (FIONBIO, 4),
        (FIOASYNC, 4),
        (0x2000_4567, 0),
    ] {
        let result = p.ioctl(rw, request, From::all(&[0; 8][..len]))?;
        check_one_of!(result, [Err(ENXIO), Err(ENOTTY), Err(EBADF), Err(ENODEV)]);
    }
    Ok(())
}

fn poll_and_select(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    for events in [POLLIN, POLLOUT, POLLIN | POLLOUT | POLLRDNORM] {
        let found = p.poll(rw, events)?;
        check_eq!(
            found.map(|revents| revents & POLLHUP),
            Ok(POLLHUP),
            "events {events:#x}"
        );
    }
    let asked = FdSets {
        read: vec![rw],
        write: vec![rw],
        except: vec![],
    };
    check_eq!(p.select(asked.clone(), None)?, Ok(asked));
    Ok(())
}

/// The kernel answers for a device that is gone, and refuses events that it does not expect.
fn poll_for_other_events(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    for events in [POLLRDHUP, POLLIN | POLLRDHUP, POLLIN | POLLOUT | POLLRDHUP] {
        check_eq!(p.poll(rw, events)?, Ok(POLLNVAL), "events {events:#x}");
    }
    check_eq!(p.poll(rw, 0)?, Ok(POLLHUP));
    Ok(())
}

fn kevent_is_refused(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    let kq = p.kqueue()?;
    for filter in [EVFILT_READ, EVFILT_WRITE] {
        check_eq!(p.change(kq, kevent(rw, filter, EV_ADD))?, Err(ENXIO));
    }
    check_eq!(p.events(kq, 4)?, vec![]);
    Ok(())
}

fn access_mode_still_counts(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = dead(cx, O_RDONLY)?;
    check_eq!(p.write(r, b"abc")?, Err(EBADF));
    check_one_of!(p.read(r, 10)?, [Err(EIO), Err(ENXIO)]);
    Ok(())
}

fn close_and_open(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    // The descriptor is closed either way.
    check_one_of!(p.try_close(rw)?, [Ok(()), Err(ENXIO)]);
    check_eq!(p.read(rw, 10)?, Err(EBADF));
    check_one_of!(p.try_open(O_RDWR)?, [Err(ENOENT), Err(ENXIO)]);
    Ok(())
}

fn dup_and_fork(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    let dup = p.dup(rw)?;
    let mut child = p.fork()?;
    check_one_of!(p.try_close(rw)?, [Ok(()), Err(ENXIO)]);
    answers_as_dead(&mut p, dup)?;
    p.exit()?;
    answers_as_dead(&mut child, rw)?;
    answers_as_dead(&mut child, dup)?;
    child.exit()
}

fn untouched_by_the_next_load(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = dead(cx, O_RDWR)?;
    cx.load()?;
    answers_as_dead(&mut p, rw)?;
    let alive = p.open(O_RDWR | O_NONBLOCK)?;
    answers_as_dead(&mut p, rw)?;
    check_eq!(p.read(alive, 10)?, Err(EWOULDBLOCK));
    check_eq!(p.write(alive, b"new")?, Ok(3));
    check_eq!(p.read(alive, 10)?, Ok(b"new".to_vec()));
    Ok(())
}

fn closing_does_not_change_the_next_load(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let dead = [p.open(O_WRONLY)?, p.open(O_RDWR)?, p.open(O_RDWR)?];
    cx.unload()?;
    cx.load()?;
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]));
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    for fd in dead {
        check_one_of!(p.try_close(fd)?, [Ok(()), Err(ENXIO)]);
        check_eq!(reader.read(r, 1)?, Err(EWOULDBLOCK));
    }
    writer.close(w)?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]));
    Ok(())
}
