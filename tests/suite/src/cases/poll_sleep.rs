//! The events that wake up a sleeping poll(2) and select(2).

use super::changes::Change;
use super::pattern;
use crate::abi::*;
use crate::call::{Call, Value};
use crate::check::{Failure, Outcome};
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::SELECT;
use crate::sys::{Fd, FdSets, PollFd};
use alloc::vec;
use alloc::vec::Vec;

cases! { "poll_sleep":
    woken_by_data,
    woken_by_last_close,
    woken_by_room,
    woken_by_grow,
    woken_by_clear,
    select_woken_by_data,
    select_woken_by_last_close,
    select_woken_by_room,
    select_woken_by_grow,
    select_woken_by_clear,
    not_woken_by_other_events,
    not_woken_by_the_first_of_two_closes,
    either_side_wakes,
    every_sleeper_is_woken,
    several_descriptors,
    sleeps_again_if_another_took_the_data,
    interrupted_by_signal_even_with_restart [Signals],
    killed_while_asleep,
}

fn poll_woken_by(cx: &mut Ctx, change: Change) -> Outcome {
    for events in [change.poll_event(), change.poll_event() | POLLPRI] {
        let mut stage = change.prepare(cx)?;
        let (mut p, fd) = cx.opened(O_RDONLY)?;
        p.start(Call::poll(fd, events, None))?;
        cx.asleep(&p, SELECT)?;
        stage.happen()?;
        check_eq!(p.finish_poll()?, Ok(change.poll_event()));
        reset(cx)?;
    }
    Ok(())
}

/// The device in its first state.
fn reset(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.clear(w)?;
    p.resize(w, 64)
}

fn woken_by_data(cx: &mut Ctx) -> Outcome {
    poll_woken_by(cx, Change::Data)
}

fn woken_by_last_close(cx: &mut Ctx) -> Outcome {
    poll_woken_by(cx, Change::LastClose)
}

fn woken_by_room(cx: &mut Ctx) -> Outcome {
    poll_woken_by(cx, Change::Room)
}

fn woken_by_grow(cx: &mut Ctx) -> Outcome {
    poll_woken_by(cx, Change::Grow)
}

fn woken_by_clear(cx: &mut Ctx) -> Outcome {
    poll_woken_by(cx, Change::Clear)
}

/// The sets that select(2) takes or returns.
fn sets(change: Change, fd: Fd) -> FdSets {
    if change.poll_event() == POLLIN {
        FdSets {
            read: vec![fd],
            ..FdSets::default()
        }
    } else {
        FdSets {
            write: vec![fd],
            ..FdSets::default()
        }
    }
}

fn select_woken_by(cx: &mut Ctx, change: Change) -> Outcome {
    let mut stage = change.prepare(cx)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    p.start(Call::Select {
        sets: FdSets {
            except: vec![fd],
            ..sets(change, fd)
        },
        timeout: None,
    })?;
    cx.asleep(&p, SELECT)?;
    stage.happen()?;
    check_eq!(p.finish_select()?, Ok(sets(change, fd)));
    Ok(())
}

fn select_woken_by_data(cx: &mut Ctx) -> Outcome {
    select_woken_by(cx, Change::Data)
}

fn select_woken_by_last_close(cx: &mut Ctx) -> Outcome {
    select_woken_by(cx, Change::LastClose)
}

fn select_woken_by_room(cx: &mut Ctx) -> Outcome {
    select_woken_by(cx, Change::Room)
}

fn select_woken_by_grow(cx: &mut Ctx) -> Outcome {
    select_woken_by(cx, Change::Grow)
}

fn select_woken_by_clear(cx: &mut Ctx) -> Outcome {
    select_woken_by(cx, Change::Clear)
}

fn not_woken_by_other_events(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(other.write(rw, &pattern(64))?, Ok(64));
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    p.start(Call::poll(fd, POLLPRI | POLLRDBAND | POLLWRBAND, None))?;
    cx.asleep(&p, SELECT)?;
    check_eq!(other.read(rw, 64)?, Ok(pattern(64)));
    cx.asleep(&p, SELECT)?;
    check_eq!(other.write(rw, b"x")?, Ok(1));
    cx.asleep(&p, SELECT)?;
    p.killed()
}

fn not_woken_by_the_first_of_two_closes(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let second = other.open(O_WRONLY)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    p.start(Call::poll(fd, POLLIN, None))?;
    cx.asleep(&p, SELECT)?;
    other.close(w)?;
    cx.asleep(&p, SELECT)?;
    other.close(second)?;
    check_eq!(p.finish_poll()?, Ok(POLLIN));
    Ok(())
}

fn either_side_wakes(cx: &mut Ctx) -> Outcome {
    // Neither readable nor writable: no data, a writer, no room at all.
    let (mut other, w) = cx.opened(O_WRONLY)?;
    other.resize(w, 0)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    p.start(Call::poll(fd, POLLIN | POLLOUT, None))?;
    cx.asleep(&p, SELECT)?;
    other.resize(w, 1)?;
    check_eq!(p.finish_poll()?, Ok(POLLOUT));

    other.resize(w, 0)?;
    p.start(Call::poll(fd, POLLIN | POLLOUT, None))?;
    cx.asleep(&p, SELECT)?;
    other.close(w)?;
    check_eq!(p.finish_poll()?, Ok(POLLIN));
    Ok(())
}

fn every_sleeper_is_woken(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let mut sleepers = vec![];
    for i in 0..12 {
        let (mut p, fd) = cx.opened(O_RDONLY)?;
        if i % 2 == 0 {
            p.start(Call::poll(fd, POLLIN | POLLRDNORM, None))?;
        } else {
            p.start(Call::Select {
                sets: FdSets {
                    read: vec![fd],
                    ..FdSets::default()
                },
                timeout: None,
            })?;
        }
        cx.asleep(&p, SELECT)?;
        sleepers.push((i, p, fd));
    }
    check_eq!(other.write(w, b"x")?, Ok(1));
    for (i, p, fd) in &mut sleepers {
        if *i % 2 == 0 {
            check_eq!(p.finish_poll()?, Ok(POLLIN | POLLRDNORM));
        } else {
            check_eq!(
                p.finish_select()?,
                Ok(FdSets {
                    read: vec![*fd],
                    ..FdSets::default()
                })
            );
        }
    }
    Ok(())
}

fn several_descriptors(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    check_eq!(other.write(w, b"")?, Ok(0));
    let mut p = cx.process()?;
    let entry = |fd, events, revents| PollFd {
        fd,
        events,
        revents,
    };
    let (a, b) = (p.open(O_RDONLY)?, p.open(O_RDONLY)?);
    let asked = vec![
        entry(a, POLLIN, 0),
        entry(b, POLLIN, 0),
        entry(a, POLLPRI, 0),
        entry(-1, POLLIN, 0),
    ];
    p.start(Call::Poll {
        fds: asked,
        timeout: None,
    })?;
    cx.asleep(&p, SELECT)?;
    check_eq!(other.write(w, b"x")?, Ok(1));
    let Ok(Value::Polled(found)) = p.finish()? else {
        return Err(Failure::new("poll failed".into()));
    };
    let revents: Vec<i16> = found.iter().map(|entry| entry.revents).collect();
    // The sleeper may check while the kernel has marked only one of the two.
    check_one_of!(
        revents,
        [
            vec![POLLIN, POLLIN, 0, 0],
            vec![POLLIN, 0, 0, 0],
            vec![0, POLLIN, 0, 0]
        ]
    );
    Ok(())
}

/// A sleeper is woken, finds that a reader was faster, and sleeps again. The next event also wakes
/// it.
fn sleeps_again_if_another_took_the_data(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    for _ in 0..10 {
        reader.start(Call::read(r, 10))?;
        cx.asleep(&reader, crate::host::ECHORD)?;
        p.start(Call::poll(fd, POLLIN, None))?;
        cx.asleep(&p, SELECT)?;
        check_eq!(other.write(w, b"x")?, Ok(1));
        check_eq!(reader.finish_read()?, Ok(b"x".to_vec()));
        // Whether the poll reports the byte is a race. If not, it is asleep again and must report
        // the next.
        check_eq!(other.write(w, b"y")?, Ok(1));
        check_eq!(p.finish_poll()?, Ok(POLLIN));
        check_eq!(reader.read(r, 10)?, Ok(b"y".to_vec()));
    }
    Ok(())
}

fn interrupted_by_signal_even_with_restart(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for restart in [false, true] {
        p.catch(SIGUSR1, restart)?;
        p.start(Call::poll(rw, POLLIN, None))?;
        cx.asleep(&p, SELECT)?;
        p.kill(SIGUSR1)?;
        check_eq!(p.finish_poll()?, Err(EINTR), "poll, restart {restart}");
        p.start(Call::Select {
            sets: FdSets {
                read: vec![rw],
                ..FdSets::default()
            },
            timeout: None,
        })?;
        cx.asleep(&p, SELECT)?;
        p.kill(SIGUSR1)?;
        check_eq!(p.finish_select()?, Err(EINTR), "select, restart {restart}");
    }
    Ok(())
}

fn killed_while_asleep(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    let (mut victim, fd) = cx.opened(O_RDONLY)?;
    victim.start(Call::poll(fd, POLLIN, None))?;
    cx.asleep(&victim, SELECT)?;
    victim.killed()?;
    check_eq!(other.write(w, b"x")?, Ok(1));
    other.clear(w)?;
    check_eq!(other.poll(w, POLLIN | POLLOUT)?, Ok(POLLOUT));
    Ok(())
}
