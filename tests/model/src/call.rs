//! System calls as values, and their results.

use crate::spec::{Event, Side};
use kldhost::{Errno, Fd};

/// A piece of user memory, of which the first `good` bytes are within reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    pub len: usize,
    pub good: usize,
}

/// The memory of a read(2), write(2), readv(2) or writev(2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Memory(pub Vec<Segment>);

impl Memory {
    /// One piece, all within reach.
    pub fn all(len: usize) -> Memory {
        Memory(vec![Segment { len, good: len }])
    }

    /// All bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(|segment| segment.len).sum()
    }

    /// The number of bytes before the first that is out of reach.
    pub fn good(&self) -> usize {
        let bad = self.0.iter().position(|segment| segment.good < segment.len);
        let before = bad.map_or(self.len(), |at| {
            self.0[..at].iter().map(|segment| segment.len).sum()
        });
        before + bad.map_or(0, |at| self.0[at].good)
    }

    /// The same memory, except that byte `at` and the bytes after it in its piece are out of reach.
    pub fn bad_at(&self, at: usize) -> Memory {
        let mut before = 0;
        let spoil = |segment: &Segment| {
            let here = (before..before + segment.len).contains(&at);
            let good = if here { at - before } else { segment.good };
            before += segment.len;
            Segment { good, ..*segment }
        };
        Memory(self.0.iter().map(spoil).collect())
    }
}

/// ioctl(2) requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Size,
    Resize(usize),
    Clear,
    NonBlock(bool),
    Async(bool),
    Count(Side),
    /// A request that the device does not support.
    Unknown,
}

/// A system call, or an action of another process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// open(2) of the device.
    Open {
        flags: i32,
    },
    Close {
        fd: Fd,
    },
    Dup {
        fd: Fd,
    },
    /// fork(2). Process `child`, which has no descriptor, becomes the child.
    Fork {
        child: usize,
    },
    Read {
        fd: Fd,
        memory: Memory,
    },
    Write {
        fd: Fd,
        memory: Memory,
        bytes: Vec<u8>,
    },
    /// `bad` means that the memory is out of reach.
    Ioctl {
        fd: Fd,
        request: Request,
        bad: bool,
    },
    GetFlags {
        fd: Fd,
    },
    SetFlags {
        fd: Fd,
        flags: i32,
    },
    Poll {
        fd: Fd,
        events: i16,
        wait: bool,
    },
    Kqueue,
    /// kevent(2) that adds a watch.
    Watch {
        kq: Fd,
        fd: Fd,
        side: Side,
        clear: bool,
    },
    /// kevent(2) that deletes a watch.
    Unwatch {
        kq: Fd,
        fd: Fd,
        side: Side,
    },
    /// kevent(2) that collects events.
    Kevent {
        kq: Fd,
        wait: bool,
    },
    /// sigaction(2) of a handler with or without SA_RESTART.
    Handler {
        restart: bool,
    },
    /// kill(2) with a signal that is handled.
    Signal {
        target: usize,
    },
    /// kill(2) with SIGKILL.
    Kill {
        target: usize,
    },
    /// revoke(2) of the device.
    Revoke,
    Load,
    Unload,
}

/// The value of a call that succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Done,
    Number(i64),
    Bytes(Vec<u8>),
    /// Sorted.
    Events(Vec<Event>),
}

/// The result of a call.
pub type Outcome = Result<Value, Errno>;
