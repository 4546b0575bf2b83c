//! The events that wake up a sleeping kevent(2).

use super::changes::Change;
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

cases! { "kevent_sleep":
    woken_by_data [Kqueue],
    woken_by_last_close [Kqueue],
    woken_by_room [Kqueue],
    woken_by_grow [Kqueue],
    woken_by_clear [Kqueue],
    both_filters_in_one_kqueue [Kqueue],
    every_sleeper_is_woken [Kqueue],
    not_woken_by_the_first_of_two_closes [Kqueue],
    not_woken_while_disabled [Kqueue],
    interrupted_by_signal_even_with_restart [Kqueue, Signals],
    killed_while_asleep [Kqueue],
    article_example [Kqueue],
}

/// Adds one filter to a new kqueue, and waits for it.
fn waiting(cx: &mut Ctx, p: &mut Process, fd: Fd, filter: i16, flags: u16) -> Outcome<Fd> {
    let kq = p.kqueue()?;
    let changes = vec![kevent(fd, filter, EV_ADD | flags)];
    p.start(Call::Kevent {
        kq,
        changes,
        max: 1,
        timeout: None,
    })?;
    cx.asleep(p, KQREAD)?;
    Ok(kq)
}

fn woken_by(cx: &mut Ctx, change: Change) -> Outcome {
    for flags in [0, EV_CLEAR, EV_ONESHOT] {
        let mut stage = change.prepare(cx)?;
        let (mut p, fd) = cx.opened(O_RDONLY)?;
        waiting(cx, &mut p, fd, change.filter(), flags)?;
        stage.happen()?;
        let (data, eof) = change.event();
        check_eq!(
            p.finish_kevent()?.map(|events| brief(&events)),
            Ok(vec![(change.filter(), data, eof)]),
            "{flags:#x}"
        );
        let w = p.open(O_WRONLY)?;
        p.clear(w)?;
        p.resize(w, 64)?;
    }
    Ok(())
}

fn woken_by_data(cx: &mut Ctx) -> Outcome {
    woken_by(cx, Change::Data)
}

fn woken_by_last_close(cx: &mut Ctx) -> Outcome {
    woken_by(cx, Change::LastClose)
}

fn woken_by_room(cx: &mut Ctx) -> Outcome {
    woken_by(cx, Change::Room)
}

fn woken_by_grow(cx: &mut Ctx) -> Outcome {
    woken_by(cx, Change::Grow)
}

fn woken_by_clear(cx: &mut Ctx) -> Outcome {
    woken_by(cx, Change::Clear)
}

fn both_filters_in_one_kqueue(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_RDWR | O_NONBLOCK)?;
    other.resize(w, 0)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    let kq = p.kqueue()?;
    check_eq!(
        p.change(kq, kevent(fd, EVFILT_READ, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    check_eq!(
        p.change(kq, kevent(fd, EVFILT_WRITE, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    p.start(Call::wait_event(kq))?;
    cx.asleep(&p, KQREAD)?;
    other.resize(w, 4)?;
    check_eq!(
        p.finish_kevent()?.map(|events| brief(&events)),
        Ok(vec![(EVFILT_WRITE, 4, false)])
    );
    p.start(Call::wait_event(kq))?;
    cx.asleep(&p, KQREAD)?;
    check_eq!(other.write(w, b"abc")?, Ok(3));
    check_eq!(
        p.finish_kevent()?.map(|events| brief(&events)),
        Ok(vec![(EVFILT_READ, 3, false)])
    );
    Ok(())
}

fn every_sleeper_is_woken(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let mut sleepers = vec![];
    for i in 0..12 {
        let (mut p, fd) = cx.opened(O_RDONLY)?;
        waiting(
            cx,
            &mut p,
            fd,
            EVFILT_READ,
            [0, EV_CLEAR, EV_ONESHOT][i % 3],
        )?;
        sleepers.push(p);
    }
    check_eq!(other.write(w, b"abc")?, Ok(3));
    for p in &mut sleepers {
        check_eq!(
            p.finish_kevent()?.map(|events| brief(&events)),
            Ok(vec![(EVFILT_READ, 3, false)])
        );
    }
    Ok(())
}

fn not_woken_by_the_first_of_two_closes(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let second = other.open(O_WRONLY)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    waiting(cx, &mut p, fd, EVFILT_READ, EV_CLEAR)?;
    other.close(w)?;
    cx.asleep(&p, KQREAD)?;
    other.close(second)?;
    check_eq!(
        p.finish_kevent()?.map(|events| brief(&events)),
        Ok(vec![(EVFILT_READ, 0, true)])
    );
    Ok(())
}

fn not_woken_while_disabled(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    waiting(cx, &mut p, fd, EVFILT_READ, EV_DISABLE)?;
    check_eq!(other.write(rw, b"abc")?, Ok(3));
    cx.asleep(&p, KQREAD)?;
    p.killed()
}

fn interrupted_by_signal_even_with_restart(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for restart in [false, true] {
        p.catch(SIGUSR1, restart)?;
        let kq = waiting(cx, &mut p, rw, EVFILT_READ, 0)?;
        p.kill(SIGUSR1)?;
        check_eq!(p.finish_kevent()?, Err(EINTR), "restart {restart}");
        // The event is still registered.
        check_eq!(p.write(rw, b"x")?, Ok(1));
        check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 1, false)]);
        check_eq!(p.read(rw, 9)?, Ok(b"x".to_vec()));
    }
    Ok(())
}

fn killed_while_asleep(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut victim, fd) = cx.opened(O_RDONLY)?;
    waiting(cx, &mut victim, fd, EVFILT_READ, 0)?;
    victim.killed()?;
    check_eq!(other.write(rw, b"abc")?, Ok(3));
    check_eq!(other.read(rw, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}

/// The output of `echoctl events -W` while 81 bytes are written and then read, through a buffer of
/// 64.
fn article_example(cx: &mut Ctx) -> Outcome {
    let (mut watcher, fd) = cx.opened(O_RDONLY)?;
    let kq = watcher.kqueue()?;
    check_eq!(
        watcher.change(kq, kevent(fd, EVFILT_READ, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    check_eq!(
        watcher.change(kq, kevent(fd, EVFILT_WRITE, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    let mut events = brief(&watcher.events(kq, 4)?);
    events.sort();
    check_eq!(
        events,
        vec![(EVFILT_WRITE, 64, false), (EVFILT_READ, 0, true)]
    );

    let (mut writer, w) = cx.opened(O_WRONLY)?;
    watcher.start(Call::wait_event(kq))?;
    cx.asleep(&watcher, KQREAD)?;
    writer.start(Call::write(w, &super::pattern(81)))?;
    check_eq!(
        watcher.finish_kevent()?.map(|events| brief(&events)),
        Ok(vec![(EVFILT_READ, 64, false)])
    );
    cx.asleep(&writer, crate::host::ECHOWR)?;

    watcher.start(Call::wait_event(kq))?;
    cx.asleep(&watcher, KQREAD)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    check_eq!(reader.read(r, 64)?, Ok(super::pattern(64)));
    check_eq!(writer.finish_write()?, Ok(81));
    writer.exit()?;
    // The reader made room, and the writer used some of it and closed. The part of that which one
    // kevent(2) reports is a race.
    let first = watcher
        .finish_kevent()?
        .map(|events| brief(&events))
        .unwrap_or_default();
    check_one_of!(
        first,
        [
            vec![(EVFILT_WRITE, 64, false)],
            vec![(EVFILT_WRITE, 47, false)],
            vec![(EVFILT_READ, 17, false)],
            vec![(EVFILT_READ, 17, true)]
        ]
    );
    check_eq!(reader.read(r, 64)?, Ok(super::pattern(81)[64..].to_vec()));
    check_eq!(reader.read(r, 64)?, Ok(vec![]));
    let rest = brief(&watcher.events(kq, 4)?);
    check!(
        rest.contains(&(EVFILT_WRITE, 64, false)),
        "the room that the last reads made is not in {rest:?}"
    );
    Ok(())
}
