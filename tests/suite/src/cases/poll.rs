//! poll(2) and select(2) of a device in every state, without waiting.

use super::pattern;
use crate::abi::*;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::process::Process;
use crate::sys::{Fd, FdSets, PollFd};
use alloc::vec;
use alloc::vec::Vec;

cases! { "poll":
    every_mask_in_every_state,
    select_in_every_state,
    access_mode_does_not_matter,
    same_descriptor_twice,
    some_ready_and_some_not,
    times_out,
    select_times_out,
    after_a_timeout_nothing_is_stale,
    no_requested_events,
}

/// A state of the device, as far as poll(2) distinguishes it.
#[derive(Clone, Copy, Debug)]
struct State {
    size: u64,
    held: usize,
    writer: bool,
}

impl State {
    fn all() -> Vec<State> {
        let mut states = vec![];
        for (size, held) in [(64, 0), (64, 1), (64, 63), (64, 64), (1, 0), (1, 1), (0, 0)] {
            states.push(State {
                size,
                held,
                writer: true,
            });
            states.push(State {
                size,
                held,
                writer: false,
            });
        }
        states
    }

    /// Brings the device to this state, and returns a process with a descriptor that is not a
    /// writer.
    fn prepare(self, cx: &mut Ctx) -> Outcome<(Process, Fd)> {
        let (mut p, r) = cx.opened(O_RDONLY)?;
        let w = p.open(O_WRONLY)?;
        p.clear(w)?;
        p.resize(w, self.size)?;
        check_eq!(p.write(w, &pattern(self.held))?, Ok(self.held));
        if !self.writer {
            p.close(w)?;
        }
        Ok((p, r))
    }

    fn readable(self) -> bool {
        self.held != 0 || !self.writer
    }

    fn writable(self) -> bool {
        (self.held as u64) < self.size
    }
}

fn every_mask_in_every_state(cx: &mut Ctx) -> Outcome {
    const BITS: [i16; 6] = [POLLIN, POLLPRI, POLLOUT, POLLRDNORM, POLLRDBAND, POLLWRBAND];
    let masks: Vec<i16> = (0..1 << BITS.len())
        .map(|chosen: i32| {
            (0..BITS.len())
                .filter(|i| chosen >> i & 1 != 0)
                .map(|i| BITS[i])
                .sum()
        })
        .collect();
    for state in State::all() {
        let (mut p, fd) = state.prepare(cx)?;
        let mut possible = 0;
        if state.readable() {
            possible |= POLLIN | POLLRDNORM;
        }
        if state.writable() {
            possible |= POLLOUT;
        }
        let asked = masks
            .iter()
            .map(|events| PollFd {
                fd,
                events: *events,
                revents: 0,
            })
            .collect();
        let want = masks
            .iter()
            .map(|events| PollFd {
                fd,
                events: *events,
                revents: events & possible,
            })
            .collect();
        check_eq!(
            p.poll_all(asked, Some(0))?,
            Ok::<Vec<PollFd>, _>(want),
            "{state:?}"
        );
    }
    Ok(())
}

fn select_in_every_state(cx: &mut Ctx) -> Outcome {
    for state in State::all() {
        let (mut p, fd) = state.prepare(cx)?;
        let set = |present: bool| if present { vec![fd] } else { vec![] };
        for chosen in 0..8 {
            let (read, write, except) = (chosen & 1 != 0, chosen & 2 != 0, chosen & 4 != 0);
            let asked = FdSets {
                read: set(read),
                write: set(write),
                except: set(except),
            };
            let want = FdSets {
                read: set(read && state.readable()),
                write: set(write && state.writable()),
                except: vec![],
            };
            check_eq!(
                p.select(asked.clone(), Some(0))?,
                Ok(want),
                "{state:?}, {asked:?}"
            );
        }
    }
    Ok(())
}

fn access_mode_does_not_matter(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let (r, w, rw) = (
        p.open(O_RDONLY)?,
        p.open(O_WRONLY)?,
        p.open(O_RDWR | O_NONBLOCK)?,
    );
    for (data, want) in [(&b""[..], POLLOUT), (b"abc", POLLIN | POLLOUT)] {
        check_eq!(p.write(w, data)?, Ok(data.len()));
        for fd in [r, w, rw] {
            check_eq!(p.poll(fd, POLLIN | POLLOUT)?, Ok(want), "descriptor {fd}");
        }
    }
    Ok(())
}

fn same_descriptor_twice(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let entry = |events, revents| PollFd {
        fd: rw,
        events,
        revents,
    };
    let asked = vec![entry(POLLIN, 0), entry(POLLOUT, 0), entry(POLLIN, 0)];
    let want = vec![entry(POLLIN, 0), entry(POLLOUT, POLLOUT), entry(POLLIN, 0)];
    check_eq!(p.poll_all(asked, None)?, Ok(want));
    Ok(())
}

fn some_ready_and_some_not(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let closed = p.open(O_RDONLY)?;
    p.close(closed)?;
    let entry = |fd, events, revents| PollFd {
        fd,
        events,
        revents,
    };
    let asked = vec![
        entry(rw, POLLIN, 0),
        entry(closed, POLLIN, 0),
        entry(-1, POLLIN, 0),
    ];
    let want = vec![
        entry(rw, POLLIN, 0),
        entry(closed, POLLIN, POLLNVAL),
        entry(-1, POLLIN, 0),
    ];
    check_eq!(p.poll_all(asked, None)?, Ok(want));
    Ok(())
}

fn times_out(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let entry = PollFd {
        fd: rw,
        events: POLLIN,
        revents: 0,
    };
    check_eq!(p.poll_all(vec![entry], Some(1))?, Ok(vec![entry]));
    Ok(())
}

fn select_times_out(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let asked = FdSets {
        read: vec![rw],
        ..FdSets::default()
    };
    check_eq!(p.select(asked, Some(1))?, Ok(FdSets::default()));
    Ok(())
}

/// A wait that timed out has left the device's list of waiters. The next event must not find it
/// there.
fn after_a_timeout_nothing_is_stale(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    for _ in 0..20 {
        let entry = PollFd {
            fd,
            events: POLLIN,
            revents: 0,
        };
        check_eq!(
            p.poll_all(vec![entry, entry], Some(1))?,
            Ok(vec![entry, entry])
        );
        check_eq!(other.write(o, b"x")?, Ok(1));
        check_eq!(p.poll(fd, POLLIN)?, Ok(POLLIN));
        check_eq!(p.read(fd, 10)?, Ok(b"x".to_vec()));
    }
    let entry = PollFd {
        fd,
        events: POLLIN,
        revents: 0,
    };
    check_eq!(p.poll_all(vec![entry], Some(1))?, Ok(vec![entry]));
    p.exit()?;
    check_eq!(other.write(o, b"x")?, Ok(1));
    Ok(())
}

fn no_requested_events(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(p.poll(rw, 0)?, Ok(0));
    check_eq!(p.select(FdSets::default(), Some(0))?, Ok(FdSets::default()));
    Ok(())
}
