//! Unload with all kinds of users at once, which sleep in every call, and hold descriptors and
//! events in every way.

use super::{close_dead, expect, watch};
use crate::freebsd::time;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use suite::abi::*;
use suite::call::Call;
use suite::check::{Failure, Outcome};
use suite::ctx::Ctx;
use suite::errno::{EIO, ENXIO, Errno};
use suite::host::{ECHORD, ECHOWR, KQREAD, SELECT, Wmesg};
use suite::process::Process;
use suite::sys::{Fd, FdSets};

/// A call that sleeps.
type MakeCall = fn(Fd) -> Call;

/// Finishes a call, and checks that it reports that the device is gone.
type Check = fn(&mut Process, Fd) -> Outcome;

/// A process that is asleep.
struct Sleeper {
    process: Process,
    fd: Fd,
    check_gone: Check,
}

/// All sleepers return within a second after the start of the unload. Processes that only hold
/// descriptors or events do not delay it.
pub fn every_sleeper_returns_within_a_second(cx: &mut Ctx<'_>) -> Outcome {
    let (mut owner, w) = cx.opened(O_WRONLY)?;
    owner.resize(w, 0)?;
    let mut sleepers = Vec::new();
    for _ in 0..3 {
        sleepers.extend(asleep_in_every_call(cx)?);
    }
    let holders = holders(cx)?;

    let start = time::now();
    cx.unload()?;
    for sleeper in &mut sleepers {
        (sleeper.check_gone)(&mut sleeper.process, sleeper.fd)?;
    }
    let took = time::now() - start;
    if took > 1000 {
        return Err(Failure::new(format!(
            "unloading and waking all sleepers took {took} ms"
        )));
    }

    for mut sleeper in sleepers {
        is_dead(&mut sleeper.process, sleeper.fd)?;
        close_dead(&mut sleeper.process, sleeper.fd)?;
        sleeper.process.exit()?;
    }
    for (mut process, fds) in holders {
        for fd in fds {
            close_dead(&mut process, fd)?;
        }
        process.exit()?;
    }
    owner.exit()
}

fn asleep_in_every_call(cx: &mut Ctx<'_>) -> Outcome<Vec<Sleeper>> {
    let ways: [(MakeCall, Wmesg, Check); 4] = [
        (
            |fd| Call::read(fd, 10),
            ECHORD,
            |p, _| expect("read", p.finish_read()?, Err(ENXIO)),
        ),
        (
            |fd| Call::write(fd, b"abc"),
            ECHOWR,
            |p, _| expect("write", p.finish_write()?, Err(ENXIO)),
        ),
        (
            |fd| Call::poll(fd, POLLIN | POLLOUT, None),
            SELECT,
            |p, _| {
                expect(
                    "poll",
                    p.finish_poll()?.map(|revents| revents & POLLHUP),
                    Ok(POLLHUP),
                )
            },
        ),
        (
            |fd| Call::Select {
                sets: both(fd),
                timeout: None,
            },
            SELECT,
            |p, fd| expect("select", p.finish_select()?, Ok(both(fd))),
        ),
    ];
    let mut sleepers = Vec::new();
    for (call, wmesg, check_gone) in ways {
        let (mut process, fd) = cx.opened(O_RDWR)?;
        process.start(call(fd))?;
        cx.asleep(&process, wmesg)?;
        sleepers.push(Sleeper {
            process,
            fd,
            check_gone,
        });
    }
    for filter in [EVFILT_READ, EVFILT_WRITE] {
        let (mut process, fd) = cx.opened(O_RDWR)?;
        let kq = process.kqueue()?;
        process.start(Call::Kevent {
            kq,
            changes: vec![watch(fd, filter, EV_CLEAR)],
            max: 1,
            timeout: None,
        })?;
        cx.asleep(&process, KQREAD)?;
        sleepers.push(Sleeper {
            process,
            fd,
            check_gone: check_event_gone,
        });
    }
    Ok(sleepers)
}

fn both(fd: Fd) -> FdSets {
    FdSets {
        read: vec![fd],
        write: vec![fd],
        except: vec![],
    }
}

fn check_event_gone(process: &mut Process, fd: Fd) -> Outcome {
    let events = process.finish_kevent()?;
    let gone = events.map(|events| {
        events
            .iter()
            .map(|event| {
                (
                    event.ident,
                    event.flags & EV_EOF,
                    Errno(event.fflags as i32),
                )
            })
            .collect::<Vec<_>>()
    });
    expect("kevent", gone, Ok(vec![(fd as u64, EV_EOF, ENXIO)]))
}

/// Processes that hold descriptors, also duplicated and inherited ones, and events that they never
/// collect.
fn holders(cx: &mut Ctx<'_>) -> Outcome<Vec<(Process, Vec<Fd>)>> {
    let mut holders = Vec::new();
    for flags in [O_RDONLY, O_WRONLY, O_RDWR] {
        let (mut process, fd) = cx.opened(flags)?;
        let dup = process.dup(fd)?;
        let child = process.fork()?;
        let mut fds = vec![fd, dup];
        holders.push((child, fds.clone()));
        for filter in [EVFILT_READ, EVFILT_WRITE] {
            let kq = process.kqueue()?;
            expect("kevent", process.change(kq, watch(dup, filter, 0))?, Ok(()))?;
            fds.push(kq);
        }
        holders.push((process, fds));
    }
    Ok(holders)
}

fn is_dead(process: &mut Process, fd: Fd) -> Outcome {
    match process.read(fd, 1)? {
        Err(EIO | ENXIO) => Ok(()),
        other => Err(Failure::new(format!("read after the unload: {other:?}"))),
    }
}
