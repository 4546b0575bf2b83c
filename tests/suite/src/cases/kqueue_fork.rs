//! Kqueues at fork(2). A kqueue of `KQUEUE_CPONFORK` is copied, with the events whose filters allow
//! it. The module allows it if the kernel headers that it was compiled with have `KQUEUE_CPONFORK`.
//! Nothing else shows which kind of module it is.

use super::kqueue::{brief, kevent};
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::KQREAD;
use crate::process::Process;
use crate::sys::Fd;
use alloc::vec;

cases! { "kqueue_fork":
    an_ordinary_kqueue_is_not_inherited [Kqueue],
    the_child_has_all_events_or_none [Kqueue, CopyOnFork],
    each_has_its_own [Kqueue, CopyOnFork],
    a_parent_that_exits [Kqueue, CopyOnFork],
    unload_with_copies [Unload, Kqueue, CopyOnFork],
    unload_while_both_wait [Unload, Kqueue, CopyOnFork],
}

fn an_ordinary_kqueue_is_not_inherited(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = p.kqueue()?;
    check_eq!(p.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD))?, Ok(()));
    let mut child = p.fork()?;
    check_eq!(
        child.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD))?,
        Err(EBADF)
    );
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 64, false)]);
    Ok(())
}

/// A parent and its child, whose kqueue has both filters on the device, with three bytes held. Also
/// returns whether the child's copy has the events.
fn forked(cx: &mut Ctx) -> Outcome<(Process, Process, Fd, Fd, bool)> {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = p.kqueue_cponfork()?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    for filter in [EVFILT_READ, EVFILT_WRITE] {
        check_eq!(p.change(kq, kevent(rw, filter, EV_ADD))?, Ok(()));
    }
    let mut child = p.fork()?;
    let mut found = brief(&child.events(kq, 4)?);
    found.sort();
    check_one_of!(
        found,
        [
            vec![],
            vec![(EVFILT_WRITE, 61, false), (EVFILT_READ, 3, false)]
        ]
    );
    Ok((p, child, kq, rw, !found.is_empty()))
}

fn the_child_has_all_events_or_none(cx: &mut Ctx) -> Outcome {
    let (mut p, mut child, kq, rw, copied) = forked(cx)?;
    check_eq!(p.events(kq, 4)?.len(), 2);
    check_eq!(
        child.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?,
        if copied { Ok(()) } else { Err(ENOENT) }
    );
    // The copy is a kqueue like any other.
    check_eq!(child.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
    check_eq!(child.events(kq, 4)?.len(), if copied { 2 } else { 1 });
    Ok(())
}

fn each_has_its_own(cx: &mut Ctx) -> Outcome {
    let (mut p, mut child, kq, rw, copied) = forked(cx)?;
    check_eq!(child.read(rw, 9)?, Ok(b"abc".to_vec()));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 64, false)]);
    p.close(kq)?;
    check_eq!(child.write(rw, b"x")?, Ok(1));
    check_eq!(child.events(kq, 4)?.len(), if copied { 2 } else { 0 });
    child.close(rw)?;
    check_eq!(child.events(kq, 4)?, vec![]);
    Ok(())
}

fn a_parent_that_exits(cx: &mut Ctx) -> Outcome {
    let (p, mut child, kq, rw, copied) = forked(cx)?;
    p.exit()?;
    check_eq!(child.events(kq, 4)?.len(), if copied { 2 } else { 0 });
    check_eq!(child.read(rw, 9)?, Ok(b"abc".to_vec()));
    child.exit()
}

fn unload_with_copies(cx: &mut Ctx) -> Outcome {
    let (mut p, mut child, kq, _, _) = forked(cx)?;
    let mut grandchild = child.fork()?;
    cx.unload()?;
    for process in [&mut p, &mut child, &mut grandchild] {
        check_eq!(process.events(kq, 4)?, vec![]);
        process.close(kq)?;
    }
    Ok(())
}

fn unload_while_both_wait(cx: &mut Ctx) -> Outcome {
    let (mut p, mut child, kq, rw, copied) = forked(cx)?;
    check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    p.resize(rw, 0)?;
    for process in [&mut p, &mut child] {
        process.start(Call::wait_event(kq))?;
        cx.asleep(process, KQREAD)?;
    }
    cx.unload()?;
    let collects_eof = |process: &mut Process| -> Outcome {
        let events = process.finish_kevent()?.unwrap_or_default();
        check!(
            events.iter().any(|event| event.flags & EV_EOF != 0),
            "no EV_EOF in {events:?}"
        );
        Ok(())
    };
    collects_eof(&mut p)?;
    if copied {
        collects_eof(&mut child)
    } else {
        child.killed()
    }
}
