//! Short sequences of calls on the device. The model determines the results.

use crate::call::{Call, Memory, Request, Segment};
use crate::run::{ADMIN, Run};
use crate::spec::Side;
use kldhost::{Fd, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT};

/// A sequence of calls, each with its process. The buffer has 8 bytes.
pub struct Scenario {
    pub name: &'static str,
    pub steps: Vec<(usize, Call)>,
}

/// The tunables of all scenarios.
pub const TUNABLES: (usize, usize) = (8, 64);

fn open(flags: i32) -> Call {
    Call::Open { flags }
}

fn read(fd: Fd, len: usize) -> Call {
    Call::Read {
        fd,
        memory: Memory::all(len),
    }
}

fn write(fd: Fd, len: usize) -> Call {
    Call::Write {
        fd,
        memory: Memory::all(len),
        bytes: (1..=len as u8).collect(),
    }
}

fn vector(lens: &[usize]) -> Memory {
    Memory(lens.iter().map(|&len| Segment { len, good: len }).collect())
}

fn ioctl(fd: Fd, request: Request) -> Call {
    Call::Ioctl {
        fd,
        request,
        bad: false,
    }
}

fn poll(fd: Fd, events: i16) -> Call {
    Call::Poll {
        fd,
        events,
        wait: true,
    }
}

/// A process with a kqueue has it as descriptor 0, and the device as 1. So descriptor 1 is not open
/// if the device is gone.
fn watch(side: Side, clear: bool) -> Call {
    Call::Watch {
        kq: 0,
        fd: 1,
        side,
        clear,
    }
}

const WAIT: Call = Call::Kevent { kq: 0, wait: true };
const LOOK: Call = Call::Kevent { kq: 0, wait: false };

/// The calls after a reload, which show that the device works.
pub fn greeting() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (1, open(O_RDONLY)),
        (0, write(0, 5)),
        (1, read(0, 9)),
        (1, read(0, 9)),
        (0, write(0, 3)),
    ]
}

/// All of them.
pub fn all() -> Vec<Scenario> {
    let scenario = |name, steps| Scenario { name, steps };
    vec![
        scenario("around the edge", around_the_edge()),
        scenario("in pieces", in_pieces()),
        scenario("readers wait", readers_wait()),
        scenario("writers wait", writers_wait()),
        scenario("the size changes", the_size_changes()),
        scenario("pollers wait", pollers_wait()),
        scenario("kqueues wait for the state", kqueues_wait(false)),
        scenario("kqueues wait for changes", kqueues_wait(true)),
        scenario("the last writer goes", the_last_writer_goes()),
        scenario("all is taken back", all_is_taken_back()),
        scenario("descriptors change hands", descriptors_change_hands()),
        scenario("watches come and go", watches_come_and_go()),
        scenario("from nothing", from_nothing()),
    ]
}

fn around_the_edge() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (0, write(0, 6)),
        (0, read(0, 4)),
        (0, write(0, 6)),
        (0, read(0, 3)),
        (0, read(0, 10)),
        (0, Call::Close { fd: 0 }),
    ]
}

fn in_pieces() -> Vec<(usize, Call)> {
    let memory = vector(&[3, 0, 4, 9]);
    vec![
        (0, open(O_RDWR | O_NONBLOCK)),
        (
            0,
            Call::Write {
                fd: 0,
                memory,
                bytes: (1..=16).collect(),
            },
        ),
        (
            0,
            Call::Read {
                fd: 0,
                memory: vector(&[2, 3, 0, 1]),
            },
        ),
        (0, write(0, 9)),
        (
            0,
            Call::Read {
                fd: 0,
                memory: vector(&[1, 4, 9]),
            },
        ),
        (0, read(0, 1)),
    ]
}

fn readers_wait() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_WRONLY)),
        (1, open(O_RDONLY)),
        (2, open(O_RDONLY)),
        (1, read(0, 4)),
        (0, write(0, 2)),
        (1, read(0, 4)),
        (2, read(0, 4)),
        (0, write(0, 3)),
        (0, write(0, 8)),
        (1, read(0, 4)),
        (2, read(0, 8)),
        (1, read(0, 8)),
        (0, Call::Close { fd: 0 }),
    ]
}

fn writers_wait() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_WRONLY)),
        (1, open(O_WRONLY)),
        (2, open(O_RDONLY)),
        (0, write(0, 12)),
        (1, write(0, 6)),
        (2, read(0, 3)),
        (2, read(0, 8)),
        (2, read(0, 8)),
        (2, read(0, 8)),
    ]
}

fn the_size_changes() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (1, open(O_RDWR)),
        (0, write(0, 6)),
        (0, read(0, 4)),
        (0, write(0, 12)),
        (1, ioctl(0, Request::Resize(10))),
        (1, ioctl(0, Request::Resize(4))),
        (1, ioctl(0, Request::Resize(65))),
        (1, read(0, 4)),
        (1, ioctl(0, Request::Size)),
        (0, write(0, 8)),
        (1, ioctl(0, Request::Clear)),
        (1, ioctl(0, Request::Count(Side::Write))),
        (1, ioctl(0, Request::Resize(16))),
        (1, read(0, 30)),
    ]
}

fn pollers_wait() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (1, open(O_RDONLY)),
        (2, open(O_RDWR)),
        (3, open(O_RDONLY)),
        (1, poll(0, POLLIN)),
        (3, poll(0, 0)),
        (0, write(0, 8)),
        (2, poll(0, POLLOUT)),
        (1, poll(0, POLLOUT)),
        (0, read(0, 2)),
        (0, read(0, 6)),
        (2, poll(0, POLLIN)),
        (0, Call::Close { fd: 0 }),
        (0, open(O_WRONLY)),
        (0, write(0, 1)),
    ]
}

fn kqueues_wait(clear: bool) -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (1, Call::Kqueue),
        (1, open(O_RDWR)),
        (2, Call::Kqueue),
        (2, open(O_RDWR)),
        (1, watch(Side::Read, clear)),
        (2, watch(Side::Write, clear)),
        (2, watch(Side::Read, clear)),
        (1, WAIT),
        (2, LOOK),
        (0, write(0, 8)),
        (1, WAIT),
        (2, LOOK),
        (2, LOOK),
        (3, Call::Kqueue),
        (3, open(O_RDONLY)),
        (3, watch(Side::Write, clear)),
        (3, WAIT),
        (4, open(O_RDONLY)),
        (4, ioctl(0, Request::Count(Side::Read))),
        (0, read(0, 8)),
        (2, WAIT),
        (2, WAIT),
        (0, write(0, 3)),
    ]
}

fn the_last_writer_goes() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_WRONLY)),
        (4, open(O_WRONLY)),
        (1, open(O_RDONLY)),
        (2, open(O_RDONLY)),
        (3, Call::Kqueue),
        (3, open(O_RDONLY)),
        (3, watch(Side::Read, true)),
        (1, read(0, 4)),
        (2, poll(0, POLLIN)),
        (3, WAIT),
        (4, Call::Close { fd: 0 }),
        (ADMIN, Call::Kill { target: 0 }),
        (0, open(O_WRONLY)),
        (3, LOOK),
        (0, write(0, 2)),
        (3, WAIT),
    ]
}

fn all_is_taken_back() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (0, ioctl(0, Request::Resize(0))),
        (1, open(O_WRONLY)),
        (2, open(O_RDONLY)),
        (3, Call::Kqueue),
        (3, open(O_RDWR)),
        (3, watch(Side::Read, true)),
        (3, watch(Side::Write, true)),
        (4, open(O_RDWR)),
        (1, write(0, 3)),
        (2, read(0, 3)),
        (3, WAIT),
        (4, poll(0, POLLIN | POLLOUT)),
        (ADMIN, Call::Revoke),
        (0, Call::Close { fd: 0 }),
        (0, open(O_RDWR)),
        (0, ioctl(0, Request::Resize(8))),
        (0, write(0, 3)),
        (0, read(0, 3)),
    ]
}

fn descriptors_change_hands() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (0, Call::Dup { fd: 0 }),
        (0, Call::Fork { child: 1 }),
        (
            0,
            Call::SetFlags {
                fd: 0,
                flags: O_NONBLOCK,
            },
        ),
        (1, read(1, 3)),
        (1, Call::SetFlags { fd: 1, flags: 0 }),
        (1, read(1, 3)),
        (0, Call::Close { fd: 0 }),
        (0, write(1, 3)),
        (2, open(O_RDONLY)),
        (2, read(0, 3)),
        (ADMIN, Call::Kill { target: 0 }),
        (1, Call::Close { fd: 0 }),
        (1, Call::Close { fd: 1 }),
    ]
}

fn watches_come_and_go() -> Vec<(usize, Call)> {
    vec![
        (0, Call::Kqueue),
        (0, open(O_RDWR)),
        (0, watch(Side::Write, false)),
        (0, watch(Side::Read, false)),
        (0, LOOK),
        (
            0,
            Call::Unwatch {
                kq: 0,
                fd: 1,
                side: Side::Read,
            },
        ),
        (0, watch(Side::Read, true)),
        (0, watch(Side::Read, true)),
        (0, write(1, 8)),
        (0, LOOK),
        (0, Call::Close { fd: 1 }),
        (0, LOOK),
        (0, open(O_RDONLY)),
        (0, watch(Side::Read, true)),
        (0, LOOK),
        (0, Call::Close { fd: 0 }),
    ]
}

fn from_nothing() -> Vec<(usize, Call)> {
    vec![
        (0, open(O_RDWR)),
        (0, ioctl(0, Request::Resize(0))),
        (1, open(O_RDONLY)),
        (2, open(O_RDWR)),
        (1, read(0, 3)),
        (2, write(0, 3)),
        (0, ioctl(0, Request::Resize(8))),
        (2, read(0, 3)),
        (0, write(0, 3)),
    ]
}

/// Makes the calls of a scenario, except those of processes that still sleep. Returns the number of
/// calls that were not made.
pub fn play(run: &mut Run, steps: &[(usize, Call)]) -> Result<usize, String> {
    let mut left_out = 0;
    for (proc, call) in steps {
        if run.is_busy(*proc) {
            left_out += 1;
        } else {
            run.step(*proc, call.clone())?;
        }
    }
    Ok(left_out)
}
