//! kqueue(2) and kevent(2), without waiting. The states and changes of the device, and the flags.

use super::pattern;
use crate::abi::*;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::process::Process;
use crate::sys::{Fd, Kevent};
use alloc::vec;
use alloc::vec::Vec;

cases! { "kqueue":
    read_filter_in_every_state [Kqueue],
    write_filter_in_every_state [Kqueue],
    level_triggered_by_default [Kqueue],
    clear_fires_once_per_event [Kqueue],
    clear_on_the_write_side [Kqueue],
    data_is_current_when_collected [Kqueue],
    oneshot [Kqueue],
    disable_and_enable [Kqueue],
    dispatch [Kqueue],
    delete [Kqueue],
    eof_set_and_cleared [Kqueue],
    eof_set_and_cleared_with_clear [Kqueue],
    eof_with_data_left [Kqueue],
    every_change_fires_with_clear [Kqueue],
    end_of_file_read_fires_the_write_side [Kqueue],
    failed_calls_fire_nothing [Kqueue],
}

/// A change of one entry.
pub fn kevent(fd: Fd, filter: i16, flags: u16) -> Kevent {
    Kevent {
        ident: fd as u64,
        filter,
        flags,
        fflags: 0,
        data: 0,
        udata: 0,
    }
}

/// The relevant parts of an event, which are filter, data, and whether EV_EOF is set.
pub fn brief(events: &[Kevent]) -> Vec<(i16, i64, bool)> {
    events
        .iter()
        .map(|event| (event.filter, event.data, event.flags & EV_EOF != 0))
        .collect()
}

/// A kqueue with one filter on `fd`.
pub fn watched(p: &mut Process, fd: Fd, filter: i16, flags: u16) -> Outcome<Fd> {
    let kq = p.kqueue()?;
    check_eq!(p.change(kq, kevent(fd, filter, EV_ADD | flags))?, Ok(()));
    Ok(kq)
}

/// The device in a state, and a process with a descriptor that is not a writer.
pub fn arranged(cx: &mut Ctx, size: u64, held: usize, writer: bool) -> Outcome<(Process, Fd)> {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let w = p.open(O_WRONLY | O_NONBLOCK)?;
    p.clear(w)?;
    p.resize(w, size)?;
    check_eq!(p.write(w, &pattern(held))?, Ok(held));
    if !writer {
        p.close(w)?;
    }
    Ok((p, r))
}

const FILLS: [(u64, usize); 7] = [(64, 0), (64, 1), (64, 63), (64, 64), (1, 0), (1, 1), (0, 0)];

fn read_filter_in_every_state(cx: &mut Ctx) -> Outcome {
    for flags in [0, EV_CLEAR, EV_ONESHOT] {
        for (size, held) in FILLS {
            for writer in [true, false] {
                let (mut p, fd) = arranged(cx, size, held, writer)?;
                let kq = watched(&mut p, fd, EVFILT_READ, flags)?;
                let fires = held != 0 || !writer;
                let want = if fires {
                    vec![(EVFILT_READ, held as i64, !writer)]
                } else {
                    vec![]
                };
                check_eq!(
                    brief(&p.events(kq, 4)?),
                    want,
                    "{held} of {size} held, writer {writer}, flags {flags:#x}"
                );
            }
        }
    }
    Ok(())
}

fn write_filter_in_every_state(cx: &mut Ctx) -> Outcome {
    for flags in [0, EV_CLEAR, EV_ONESHOT] {
        for (size, held) in FILLS {
            for writer in [true, false] {
                let (mut p, fd) = arranged(cx, size, held, writer)?;
                let kq = watched(&mut p, fd, EVFILT_WRITE, flags)?;
                let room = size as i64 - held as i64;
                let want = if room > 0 {
                    vec![(EVFILT_WRITE, room, false)]
                } else {
                    vec![]
                };
                check_eq!(
                    brief(&p.events(kq, 4)?),
                    want,
                    "{held} of {size} held, writer {writer}, flags {flags:#x}"
                );
            }
        }
    }
    Ok(())
}

fn level_triggered_by_default(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_READ, 0)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    for _ in 0..3 {
        check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 3, false)]);
    }
    check_eq!(p.read(rw, 2)?, Ok(b"ab".to_vec()));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 1, false)]);
    check_eq!(p.read(rw, 2)?, Ok(b"c".to_vec()));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.write(rw, b"d")?, Ok(1));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 1, false)]);
    Ok(())
}

fn clear_fires_once_per_event(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_READ, EV_CLEAR)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    for held in 1..5 {
        check_eq!(p.write(rw, b"x")?, Ok(1));
        check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, held, false)]);
        check_eq!(brief(&p.events(kq, 4)?), vec![]);
    }
    check_eq!(p.read(rw, 2)?, Ok(b"xx".to_vec()));
    check_eq!(brief(&p.events(kq, 4)?), vec![], "after a read");
    Ok(())
}

fn clear_on_the_write_side(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_WRITE, EV_CLEAR)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 64, false)]);
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    check_eq!(brief(&p.events(kq, 4)?), vec![], "after a write");
    for room in 1..5 {
        check_eq!(p.read(rw, 1)?.map(|bytes| bytes.len()), Ok(1));
        check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, room, false)]);
        check_eq!(brief(&p.events(kq, 4)?), vec![]);
    }
    Ok(())
}

/// An event that is no longer true when it is collected is not returned.
fn data_is_current_when_collected(cx: &mut Ctx) -> Outcome {
    for flags in [0, EV_CLEAR] {
        let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
        let kq = watched(&mut p, rw, EVFILT_READ, flags)?;
        check_eq!(p.write(rw, b"abc")?, Ok(3));
        check_eq!(p.write(rw, b"de")?, Ok(2));
        check_eq!(p.read(rw, 1)?, Ok(b"a".to_vec()));
        check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 4, false)]);
        check_eq!(p.write(rw, b"f")?, Ok(1));
        check_eq!(p.read(rw, 9)?, Ok(b"bcdef".to_vec()));
        check_eq!(brief(&p.events(kq, 4)?), vec![]);
    }
    Ok(())
}

fn oneshot(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_READ, EV_ONESHOT)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 3, false)]);
    check_eq!(p.write(rw, b"d")?, Ok(1));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(
        p.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?,
        Err(ENOENT)
    );
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 4, false)]);
    Ok(())
}

fn disable_and_enable(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_READ, EV_DISABLE)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(brief(&p.events(kq, 4)?), vec![], "added disabled");
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ENABLE))?, Ok(()));
    check_eq!(
        brief(&p.events(kq, 4)?),
        vec![(EVFILT_READ, 3, false)],
        "enabled"
    );
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_DISABLE))?, Ok(()));
    check_eq!(p.write(rw, b"d")?, Ok(1));
    check_eq!(brief(&p.events(kq, 4)?), vec![], "disabled");
    check_eq!(p.read(rw, 9)?, Ok(b"abcd".to_vec()));
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ENABLE))?, Ok(()));
    check_eq!(
        brief(&p.events(kq, 4)?),
        vec![],
        "enabled with nothing to read"
    );
    check_eq!(p.write(rw, b"e")?, Ok(1));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 1, false)]);
    Ok(())
}

fn dispatch(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let kq = watched(&mut p, rw, EVFILT_READ, EV_DISPATCH)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 3, false)]);
    check_eq!(p.write(rw, b"d")?, Ok(1));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ENABLE))?, Ok(()));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 4, false)]);
    Ok(())
}

fn delete(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    let kq = watched(&mut p, rw, EVFILT_READ, 0)?;
    check_eq!(p.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD))?, Ok(()));
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?, Ok(()));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 61, false)]);
    check_eq!(
        p.change(kq, kevent(rw, EVFILT_READ, EV_DELETE))?,
        Err(ENOENT)
    );
    check_eq!(p.change(kq, kevent(rw, EVFILT_WRITE, EV_DELETE))?, Ok(()));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    Ok(())
}

fn eof_set_and_cleared(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let kq = watched(&mut p, r, EVFILT_READ, 0)?;
    for _ in 0..3 {
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![(EVFILT_READ, 0, true)],
            "no writer"
        );
        let w = p.open(O_WRONLY)?;
        check_eq!(brief(&p.events(kq, 4)?), vec![], "a writer");
        check_eq!(p.write(w, b"abc")?, Ok(3));
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![(EVFILT_READ, 3, false)],
            "a writer and data"
        );
        check_eq!(p.read(r, 9)?, Ok(b"abc".to_vec()));
        check_eq!(brief(&p.events(kq, 4)?), vec![], "a writer and no data");
        p.close(w)?;
    }
    Ok(())
}

fn eof_set_and_cleared_with_clear(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let kq = watched(&mut p, r, EVFILT_READ, EV_CLEAR)?;
    for _ in 0..3 {
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![(EVFILT_READ, 0, true)],
            "the last writer closed"
        );
        check_eq!(brief(&p.events(kq, 4)?), vec![], "reported once");
        let (w, second) = (p.open(O_WRONLY)?, p.open(O_WRONLY)?);
        check_eq!(brief(&p.events(kq, 4)?), vec![], "a writer");
        check_eq!(p.write(w, b"abc")?, Ok(3));
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![(EVFILT_READ, 3, false)],
            "a writer and data"
        );
        check_eq!(p.read(r, 9)?, Ok(b"abc".to_vec()));
        p.close(w)?;
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![],
            "one of two writers closed"
        );
        p.close(second)?;
    }
    Ok(())
}

fn eof_with_data_left(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let w = p.open(O_WRONLY)?;
    let kq = watched(&mut p, r, EVFILT_READ, EV_CLEAR)?;
    check_eq!(p.write(w, b"abc")?, Ok(3));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 3, false)]);
    p.close(w)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_READ, 3, true)]);
    Ok(())
}

fn every_change_fires_with_clear(cx: &mut Ctx) -> Outcome {
    use super::changes::Change;
    for change in [
        Change::Data,
        Change::LastClose,
        Change::Room,
        Change::Grow,
        Change::Clear,
    ] {
        let mut stage = change.prepare(cx)?;
        let (mut p, fd) = cx.opened(O_RDONLY)?;
        let kq = watched(&mut p, fd, change.filter(), EV_CLEAR)?;
        check_eq!(brief(&p.events(kq, 4)?), vec![], "before {change:?}");
        stage.happen()?;
        let (data, eof) = change.event();
        check_eq!(
            brief(&p.events(kq, 4)?),
            vec![(change.filter(), data, eof)],
            "{change:?}"
        );
        check_eq!(brief(&p.events(kq, 4)?), vec![], "after {change:?}");
        let w = p.open(O_WRONLY)?;
        p.clear(w)?;
        p.resize(w, 64)?;
    }
    Ok(())
}

fn end_of_file_read_fires_the_write_side(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let kq = watched(&mut p, r, EVFILT_WRITE, EV_CLEAR)?;
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 64, false)]);
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    check_eq!(p.read(r, 10)?, Ok(vec![]));
    check_eq!(brief(&p.events(kq, 4)?), vec![(EVFILT_WRITE, 64, false)]);
    Ok(())
}

fn failed_calls_fire_nothing(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(10))?, Ok(10));
    let kq = watched(&mut p, rw, EVFILT_READ, EV_CLEAR)?;
    check_eq!(
        p.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD | EV_CLEAR))?,
        Ok(())
    );
    check_eq!(p.events(kq, 4)?.len(), 2);
    check_eq!(p.write(rw, &[])?, Ok(0));
    check_eq!(p.read(rw, 0)?, Ok(vec![]));
    check_eq!(p.try_resize(rw, 5)?, Err(EBUSY));
    check_eq!(p.try_resize(rw, u64::MAX)?, Err(EINVAL));
    check_eq!(p.try_resize(rw, 64)?, Ok(()));
    check_eq!((p.held(rw)?, p.room(rw)?, p.size(rw)?), (10, 54, 64));
    check_eq!(brief(&p.events(kq, 4)?), vec![]);
    Ok(())
}
