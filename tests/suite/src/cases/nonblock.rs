//! Non-blocking I/O, and how it is set.

use super::pattern;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHORD, ECHOWR};
use alloc::vec;

cases! { "nonblock":
    by_open_flag,
    by_fcntl_and_back,
    by_ioctl_and_back [RawIoctl],
    part_of_a_write,
    part_of_a_writev,
    shared_by_dup_and_not_by_open,
    shared_by_fork,
    a_sleeper_is_not_woken_by_the_switch,
    o_async_is_refused [RawIoctl],
    fioasync_is_refused [RawIoctl],
}

fn by_open_flag(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.flags(rw)? & O_NONBLOCK, O_NONBLOCK);
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    Ok(())
}

fn by_fcntl_and_back(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for _ in 0..3 {
        p.set_flags(rw, O_NONBLOCK)?;
        check_eq!(p.flags(rw)? & O_NONBLOCK, O_NONBLOCK);
        check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
        check_eq!(p.write(rw, &pattern(64))?, Ok(64));
        check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));

        p.set_flags(rw, 0)?;
        check_eq!(p.flags(rw)? & O_NONBLOCK, 0);
        p.start(Call::write(rw, b"x"))?;
        cx.asleep(&p, ECHOWR)?;
        other.clear(o)?;
        check_eq!(p.finish_write()?, Ok(1));
        check_eq!(p.read(rw, 1)?, Ok(b"x".to_vec()));
        p.start(Call::read(rw, 1))?;
        cx.asleep(&p, ECHORD)?;
        check_eq!(other.write(o, b"y")?, Ok(1));
        check_eq!(p.finish_read()?, Ok(b"y".to_vec()));
    }
    Ok(())
}

fn by_ioctl_and_back(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_WRONLY)?;
    let (mut p, r) = cx.opened(O_RDONLY)?;
    check_eq!(p.ioctl_int(r, FIONBIO, 1)?.map(|_| ()), Ok(()));
    check_eq!(p.flags(r)? & O_NONBLOCK, O_NONBLOCK);
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    check_eq!(p.ioctl_int(r, FIONBIO, 0)?.map(|_| ()), Ok(()));
    check_eq!(p.flags(r)? & O_NONBLOCK, 0);
    p.start(Call::read(r, 1))?;
    cx.asleep(&p, ECHORD)?;
    check_eq!(other.write(o, b"y")?, Ok(1));
    check_eq!(p.finish_read()?, Ok(b"y".to_vec()));
    Ok(())
}

fn part_of_a_write(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(100))?, Ok(64));
    check_eq!(p.read(rw, 10)?, Ok(pattern(10)));
    check_eq!(p.write(rw, &pattern(100)[64..])?, Ok(10));
    check_eq!(p.read(rw, 100)?, Ok(pattern(74)[10..].to_vec()));
    Ok(())
}

fn part_of_a_writev(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let parts = pattern(100)
        .chunks(30)
        .map(crate::call::From::all)
        .collect();
    check_eq!(p.writev(rw, parts)?, Ok(64));
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn shared_by_dup_and_not_by_open(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let dup = p.dup(rw)?;
    let own = p.open(O_RDWR)?;
    p.set_flags(dup, O_NONBLOCK)?;
    check_eq!(p.flags(rw)? & O_NONBLOCK, O_NONBLOCK);
    check_eq!(p.flags(own)? & O_NONBLOCK, 0);
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    p.start(Call::read(own, 1))?;
    cx.asleep(&p, ECHORD)?;
    p.killed()
}

fn shared_by_fork(cx: &mut Ctx) -> Outcome {
    let (mut parent, rw) = cx.opened(O_RDWR)?;
    let mut child = parent.fork()?;
    child.set_flags(rw, O_NONBLOCK)?;
    check_eq!(parent.read(rw, 1)?, Err(EWOULDBLOCK));
    parent.set_flags(rw, 0)?;
    child.start(Call::read(rw, 1))?;
    cx.asleep(&child, ECHORD)?;
    check_eq!(parent.write(rw, b"x")?, Ok(1));
    check_eq!(child.finish_read()?, Ok(b"x".to_vec()));
    Ok(())
}

fn a_sleeper_is_not_woken_by_the_switch(cx: &mut Ctx) -> Outcome {
    let (mut parent, rw) = cx.opened(O_RDWR)?;
    let mut child = parent.fork()?;
    child.start(Call::read(rw, 1))?;
    cx.asleep(&child, ECHORD)?;
    parent.set_flags(rw, O_NONBLOCK)?;
    cx.asleep(&child, ECHORD)?;
    check_eq!(parent.write(rw, b"x")?, Ok(1));
    check_eq!(child.finish_read()?, Ok(b"x".to_vec()));
    check_eq!(child.read(rw, 1)?, Err(EWOULDBLOCK));
    Ok(())
}

fn o_async_is_refused(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.try_set_flags(rw, O_ASYNC)?, Err(EINVAL));
    check_eq!(p.try_set_flags(rw, O_ASYNC | O_NONBLOCK)?, Err(EINVAL));
    // The flags now depend on the version of the kernel. In any case, they can be set again.
    p.set_flags(rw, O_NONBLOCK)?;
    check_eq!(p.flags(rw)? & (O_NONBLOCK | O_ASYNC), O_NONBLOCK);
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    p.set_flags(rw, 0)?;
    check_eq!(p.flags(rw)? & (O_NONBLOCK | O_ASYNC), 0);
    check_eq!(p.write(rw, b"x")?, Ok(1));
    check_eq!(p.read(rw, 2)?, Ok(vec![b'x']));
    Ok(())
}

fn fioasync_is_refused(cx: &mut Ctx) -> Outcome {
    for flags in [O_RDONLY, O_WRONLY, O_RDWR] {
        let (mut p, fd) = cx.opened(flags)?;
        check_eq!(p.ioctl_int(fd, FIOASYNC, 1)?, Err(EINVAL));
        check_eq!(p.ioctl_int(fd, FIOASYNC, -1)?, Err(EINVAL));
        check_eq!(p.ioctl_int(fd, FIOASYNC, 0)?.map(|_| ()), Ok(()));
        p.set_flags(fd, O_NONBLOCK)?;
    }
    Ok(())
}
