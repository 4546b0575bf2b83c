//! Unload while processes use the device. All sleepers are woken with an error or an event, and no
//! process delays the unload.

mod sleepers;

use super::kqueue::kevent;
use super::pattern;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHOWR, KQREAD};
use crate::process::Process;
use crate::sys::{Fd, Kevent};
use alloc::vec;
use alloc::vec::Vec;
use sleepers::{KINDS, Wait, nothing_to_be_had};

cases! { "unload":
    without_open_descriptors [Unload],
    with_data_held [Unload],
    with_a_large_buffer [Unload],
    with_descriptors_open [Unload],
    by_a_process_that_has_it_open [Unload],
    sleeping_reader_gets_enxio [Unload],
    sleeping_writer_gets_enxio [Unload],
    sleeping_writer_gets_enxio_after_a_part [Unload],
    sleeping_poll_returns [Unload],
    sleeping_select_returns [Unload],
    sleeping_kevent_returns [Unload, Kqueue],
    sleeping_kevent_returns_both_filters [Unload, Kqueue],
    sleeping_kevents_with_every_flag_return [Unload, Kqueue],
    every_sleeper_returns [Unload, Kqueue],
    forked_sleepers_return [Unload],
    own_events_registered [Unload, Kqueue],
    another_process_never_collects_its_events [Unload, Kqueue],
    disabled_event_does_not_delay_it [Unload, Kqueue],
    event_already_collected [Unload, Kqueue],
    holders_exit_afterwards [Unload, Kqueue],
}

fn check_all_gone(cx: &mut Ctx, waits: &[Wait]) -> Outcome {
    let _writer = nothing_to_be_had(cx)?;
    let mut sleepers = waits
        .iter()
        .map(|wait| wait.sleep(cx))
        .collect::<Outcome<Vec<_>>>()?;
    cx.unload()?;
    for sleeper in &mut sleepers {
        sleeper.check_gone()?;
    }
    Ok(())
}

fn without_open_descriptors(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    let mut p = cx.process()?;
    check_one_of!(p.try_open(O_RDONLY)?, [Err(ENOENT), Err(ENXIO)]);
    cx.load()?;
    let fd = p.open(O_RDONLY)?;
    check_eq!(p.size(fd)?, 64);
    Ok(())
}

/// Unload discards the data, so the device is empty after the next load.
fn with_data_held(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.resize(w, 100)?;
    check_eq!(p.write(w, &pattern(70))?, Ok(70));
    cx.unload()?;
    cx.load()?;
    let r = p.open(O_RDONLY)?;
    check_eq!((p.size(r)?, p.held(r)?), (64, 0));
    check_eq!(p.read(r, 100)?, Ok(vec![]));
    Ok(())
}

fn with_a_large_buffer(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.resize(w, 8 << 20)?;
    cx.unload()
}

fn with_descriptors_open(cx: &mut Ctx) -> Outcome {
    let mut holders = vec![];
    for flags in [O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK] {
        let (mut p, fd) = cx.opened(flags)?;
        p.dup(fd)?;
        holders.push(p.fork()?);
        holders.push(p);
    }
    cx.unload()
}

fn by_a_process_that_has_it_open(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    let id = cx.loaded()?;
    check_eq!(p.kldunload(id)?, Ok(()));
    check_one_of!(p.read(rw, 1)?, [Err(EIO), Err(ENXIO)]);
    Ok(())
}

fn sleeping_reader_gets_enxio(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &[Wait::Read; 3])
}

fn sleeping_writer_gets_enxio(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &[Wait::Write; 3])
}

fn sleeping_writer_gets_enxio_after_a_part(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.start(Call::write(w, &pattern(100)))?;
    cx.asleep(&p, ECHOWR)?;
    cx.unload()?;
    check_eq!(p.finish_write()?, Err(ENXIO));
    Ok(())
}

fn sleeping_poll_returns(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &[Wait::PollIn, Wait::PollOut, Wait::PollIn])
}

fn sleeping_select_returns(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &[Wait::SelectRead, Wait::SelectWrite, Wait::SelectRead])
}

fn sleeping_kevent_returns(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &[Wait::KeventRead(0), Wait::KeventWrite(0)])
}

fn sleeping_kevent_returns_both_filters(cx: &mut Ctx) -> Outcome {
    let _writer = nothing_to_be_had(cx)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    let kq = p.kqueue()?;
    for filter in [EVFILT_READ, EVFILT_WRITE] {
        check_eq!(p.change(kq, kevent(fd, filter, EV_ADD | EV_CLEAR))?, Ok(()));
    }
    p.start(Call::Kevent {
        kq,
        changes: vec![],
        max: 4,
        timeout: None,
    })?;
    cx.asleep(&p, KQREAD)?;
    cx.unload()?;
    let events = p.finish_kevent()?.unwrap_or_default();
    check!(!events.is_empty(), "kevent returned without an event");
    let is_gone = |event: &Kevent| event.flags & EV_EOF != 0 && event.fflags == ENXIO.0 as u32;
    check!(
        events.iter().all(is_gone),
        "events without ENXIO among {events:?}"
    );
    Ok(())
}

fn sleeping_kevents_with_every_flag_return(cx: &mut Ctx) -> Outcome {
    let flags = [0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH];
    let waits: Vec<Wait> = flags
        .iter()
        .flat_map(|flags| [Wait::KeventRead(*flags), Wait::KeventWrite(*flags)])
        .collect();
    check_all_gone(cx, &waits)
}

fn every_sleeper_returns(cx: &mut Ctx) -> Outcome {
    check_all_gone(cx, &KINDS.repeat(4))
}

fn forked_sleepers_return(cx: &mut Ctx) -> Outcome {
    let _writer = nothing_to_be_had(cx)?;
    let (mut parent, fd) = cx.opened(O_RDWR)?;
    let mut sleepers = vec![];
    for wait in [Wait::Read, Wait::Write, Wait::PollIn, Wait::SelectWrite] {
        let child = parent.fork()?;
        sleepers.push(wait.sleep_as(cx, child, fd)?);
    }
    sleepers.push(Wait::Read.sleep_as(cx, parent, fd)?);
    cx.unload()?;
    for sleeper in &mut sleepers {
        sleeper.check_gone()?;
    }
    Ok(())
}

/// Registers both filters with all flags. Some of them have fired and wait to be collected.
fn register_everything(p: &mut Process, fd: Fd) -> Outcome<Vec<Fd>> {
    let mut queues = vec![];
    for flags in [0, EV_CLEAR, EV_ONESHOT, EV_DISABLE, EV_DISPATCH] {
        let kq = p.kqueue()?;
        check_eq!(
            p.change(kq, kevent(fd, EVFILT_READ, EV_ADD | flags))?,
            Ok(())
        );
        check_eq!(
            p.change(kq, kevent(fd, EVFILT_WRITE, EV_ADD | flags))?,
            Ok(())
        );
        queues.push(kq);
    }
    Ok(queues)
}

fn own_events_registered(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let queues = register_everything(&mut p, rw)?;
    let id = cx.loaded()?;
    check_eq!(p.kldunload(id)?, Ok(()));
    for kq in queues {
        check_eq!(p.events(kq, 4)?, vec![]);
        check_eq!(
            p.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?,
            Err(ENOENT)
        );
        p.close(kq)?;
    }
    Ok(())
}

fn another_process_never_collects_its_events(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let mut queues = register_everything(&mut p, rw)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    queues.extend(register_everything(&mut p, rw)?);
    cx.unload()?;
    for kq in queues {
        check_eq!(p.events(kq, 4)?, vec![]);
        p.close(kq)?;
    }
    Ok(())
}

fn disabled_event_does_not_delay_it(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = p.kqueue()?;
    let changes = vec![kevent(rw, EVFILT_READ, EV_ADD | EV_DISABLE)];
    p.start(Call::Kevent {
        kq,
        changes,
        max: 1,
        timeout: None,
    })?;
    cx.asleep(&p, KQREAD)?;
    cx.unload()?;
    p.killed()
}

fn event_already_collected(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    let queues = register_everything(&mut p, rw)?;
    for kq in &queues {
        p.events(*kq, 4)?;
    }
    cx.unload()?;
    for kq in queues {
        check_eq!(p.events(kq, 4)?, vec![]);
    }
    Ok(())
}

fn holders_exit_afterwards(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    register_everything(&mut p, rw)?;
    let (mut q, rw) = cx.opened(O_RDWR)?;
    let child = q.fork()?;
    register_everything(&mut q, rw)?;
    cx.unload()?;
    p.exit()?;
    child.exit()?;
    // The kqueue is empty, so the process is killed in a call that does not concern the device.
    let kq = q.kqueue()?;
    q.start(Call::wait_event(kq))?;
    cx.asleep(&q, KQREAD)?;
    q.killed()
}
