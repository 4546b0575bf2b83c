//! revoke(2), which invalidates all open descriptors. The device works for the next open.

use super::dead::answers_as_dead;
use super::kqueue::kevent;
use super::pattern;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHORD, ECHOWR};
use alloc::vec;

cases! { "revoke":
    without_open_descriptors [Revoke],
    descriptors_are_dead [Revoke],
    new_reader_sees_eof_at_once [Revoke],
    closing_dead_descriptors_changes_no_count [Revoke],
    new_opens_count [Revoke],
    data_is_kept [Revoke],
    blocked_reader_is_woken [Revoke],
    blocked_writer_returns [Revoke],
    repeatedly [Revoke],
    with_events_registered [Revoke, Kqueue],
    then_unload [Revoke, Unload],
    then_unload_after_closing [Revoke, Unload],
}

fn without_open_descriptors(cx: &mut Ctx) -> Outcome {
    cx.revoke()?;
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    let w = p.open(O_WRONLY)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(w)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn descriptors_are_dead(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let (mut q, r) = cx.opened(O_RDONLY)?;
    cx.revoke()?;
    answers_as_dead(&mut p, rw)?;
    check_one_of!(q.read(r, 1)?, [Err(EIO), Err(ENXIO)]);
    check_eq!(q.write(r, b"x")?, Err(EBADF));
    p.close(rw)?;
    q.close(r)?;
    Ok(())
}

fn new_reader_sees_eof_at_once(cx: &mut Ctx) -> Outcome {
    let (mut p, _) = cx.opened(O_WRONLY)?;
    p.open(O_RDWR)?;
    let (mut q, w) = cx.opened(O_WRONLY)?;
    q.dup(w)?;
    cx.revoke()?;
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]));
    check_eq!(reader.poll(r, POLLIN)?, Ok(POLLIN));
    Ok(())
}

fn closing_dead_descriptors_changes_no_count(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let dead = [p.open(O_WRONLY)?, p.open(O_RDWR)?, p.open(O_WRONLY)?];
    cx.revoke()?;
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    for fd in dead {
        check_eq!(reader.read(r, 1)?, Err(EWOULDBLOCK));
        p.close(fd)?;
    }
    check_eq!(reader.read(r, 1)?, Err(EWOULDBLOCK));
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.read(r, 9)?, Ok(b"abc".to_vec()));
    writer.close(w)?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn new_opens_count(cx: &mut Ctx) -> Outcome {
    let (mut p, _) = cx.opened(O_RDWR)?;
    cx.revoke()?;
    let r = p.open(O_RDONLY | O_NONBLOCK)?;
    let (w, rw) = (p.open(O_WRONLY)?, p.open(O_RDWR)?);
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(w)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(rw)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn data_is_kept(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.resize(w, 100)?;
    check_eq!(p.write(w, b"abc")?, Ok(3));
    cx.revoke()?;
    let (mut q, r) = cx.opened(O_RDONLY)?;
    check_eq!((q.size(r)?, q.held(r)?), (100, 3));
    check_eq!(q.read(r, 9)?, Ok(b"abc".to_vec()));
    check_eq!(q.read(r, 9)?, Ok(vec![]));
    Ok(())
}

/// Its writers are gone, so it gets the end of file, or the error of a dead descriptor. It does not
/// continue to sleep.
fn blocked_reader_is_woken(cx: &mut Ctx) -> Outcome {
    let (_writer, _) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    cx.revoke()?;
    check_one_of!(reader.finish_read()?, [Ok(vec![]), Err(EIO), Err(ENXIO)]);
    Ok(())
}

/// It gets the error of a dead descriptor. If it went back to sleep before the kernel had revoked
/// the descriptor, it continues as soon as there is room.
fn blocked_writer_returns(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    check_eq!(writer.write(w, &pattern(64))?, Ok(64));
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    cx.revoke()?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    check_eq!(reader.read(r, 64)?, Ok(pattern(64)));
    check_one_of!(writer.finish_write()?, [Err(EIO), Err(ENXIO), Ok(3)]);
    check_one_of!(writer.write(w, b"abc")?, [Err(EIO), Err(ENXIO)]);
    Ok(())
}

fn repeatedly(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    for _ in 0..20 {
        p.open(O_RDWR)?;
        p.open(O_WRONLY)?;
        cx.revoke()?;
        let r = p.open(O_RDONLY | O_NONBLOCK)?;
        check_eq!(p.read(r, 1)?, Ok(vec![]));
    }
    p.exit()?;
    let (mut q, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(q.read(rw, 1)?, Err(EWOULDBLOCK));
    Ok(())
}

fn with_events_registered(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = p.kqueue()?;
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
    check_eq!(
        p.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    cx.revoke()?;
    let (mut q, rw2) = cx.opened(O_RDWR)?;
    check_eq!(q.write(rw2, b"abc")?, Ok(3));
    check_eq!(q.read(rw2, 9)?, Ok(b"abc".to_vec()));
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?, Ok(()));
    p.close(rw)?;
    p.close(kq)
}

fn then_unload(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    cx.revoke()?;
    let (_q, _) = cx.opened(O_RDWR)?;
    cx.unload()?;
    answers_as_dead(&mut p, rw)?;
    p.exit()
}

fn then_unload_after_closing(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    cx.revoke()?;
    p.close(rw)?;
    cx.unload()
}
