//! System calls as values, which a case sends to a process, and their replies.

use crate::bulk::{Drained, Poured};
use crate::sys::{self, Disposition, Fd, FdSets, Kevent, PollFd, Reach, Timeout};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A buffer to read into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Into {
    /// Its length in bytes.
    pub len: usize,
    /// The part that the call can access.
    pub reach: Reach,
}

/// A buffer to write from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct From {
    /// Its contents.
    pub bytes: Vec<u8>,
    /// The part that the call can access.
    pub reach: Reach,
}

/// One system call, or one of the loops that a process runs by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the call of the same name in sys::Sys")]
pub enum Call {
    Open {
        flags: i32,
    },
    Close {
        fd: Fd,
    },
    Dup {
        fd: Fd,
    },
    Dup2 {
        from: Fd,
        onto: Fd,
    },
    Read {
        fd: Fd,
        into: Into,
    },
    Readv {
        fd: Fd,
        into: Vec<Into>,
    },
    Pread {
        fd: Fd,
        into: Into,
        offset: i64,
    },
    Write {
        fd: Fd,
        from: From,
    },
    Writev {
        fd: Fd,
        from: Vec<From>,
    },
    Pwrite {
        fd: Fd,
        from: From,
        offset: i64,
    },
    Ioctl {
        fd: Fd,
        request: u64,
        arg: From,
    },
    GetFlags {
        fd: Fd,
    },
    SetFlags {
        fd: Fd,
        flags: i32,
    },
    Poll {
        fds: Vec<PollFd>,
        timeout: Timeout,
    },
    Select {
        sets: FdSets,
        timeout: Timeout,
    },
    Kqueue,
    KqueueCponfork,
    ReportKqueues {
        pid: i32,
    },
    Kevent {
        kq: Fd,
        changes: Vec<Kevent>,
        max: usize,
        timeout: Timeout,
    },
    Sigaction {
        signal: i32,
        to: Disposition,
    },
    Caught {
        signal: i32,
    },
    Revoke,
    Kldload,
    Kldunload {
        id: i32,
    },
    /// [`bulk::pour`](crate::bulk::pour)
    Pour {
        fd: Fd,
        writer: u8,
        total: u64,
        chunk: usize,
    },
    /// [`bulk::drain`](crate::bulk::drain)
    Drain {
        fd: Fd,
        chunk: usize,
    },
}

/// The result of a call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Done,
    /// A descriptor, a count, flags.
    Number(i64),
    /// The bytes read, or an ioctl's argument afterwards.
    Bytes(Vec<u8>),
    /// The entries of poll(2) afterwards.
    Polled(Vec<PollFd>),
    /// The sets of select(2) afterwards.
    Selected(FdSets),
    /// The events of kevent(2).
    Events(Vec<Kevent>),
    /// The account of [`Call::Pour`].
    Poured(Poured),
    /// The account of [`Call::Drain`].
    Drained(Drained),
}

/// The outcome of a call.
pub type Reply = sys::Result<Value>;

/// The bytes that carry a [`Call`] or a [`Reply`] to or from a process.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // Only a sequence of unknown length or a serializer without memory can fail. Neither exists
    // here.
    postcard::to_allocvec(value).expect("calls and replies can be encoded")
}

/// The value in `bytes`, or `None` if [`encode`] has not made them from this type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    postcard::from_bytes(bytes).ok()
}

impl Call {
    /// read(2) of up to `len` bytes.
    pub fn read(fd: Fd, len: usize) -> Call {
        Call::Read {
            fd,
            into: Into::all(len),
        }
    }

    /// write(2)
    pub fn write(fd: Fd, bytes: &[u8]) -> Call {
        Call::Write {
            fd,
            from: From::all(bytes),
        }
    }

    /// poll(2) of one descriptor.
    pub fn poll(fd: Fd, events: i16, timeout: Timeout) -> Call {
        Call::Poll {
            fds: alloc::vec![PollFd {
                fd,
                events,
                revents: 0
            }],
            timeout,
        }
    }

    /// kevent(2) that waits for one event and changes nothing.
    pub fn wait_event(kq: Fd) -> Call {
        Call::Kevent {
            kq,
            changes: Vec::new(),
            max: 1,
            timeout: None,
        }
    }
}

impl Into {
    /// A buffer that is all within reach.
    pub fn all(len: usize) -> Into {
        Into {
            len,
            reach: Reach::All,
        }
    }

    /// A buffer of which only the first `good` bytes are within reach.
    pub fn first(good: usize, len: usize) -> Into {
        Into {
            len,
            reach: Reach::First(good),
        }
    }
}

impl From {
    /// A buffer that is all within reach.
    pub fn all(bytes: &[u8]) -> From {
        From {
            bytes: bytes.to_vec(),
            reach: Reach::All,
        }
    }

    /// A buffer of which only the first `good` bytes are within reach.
    pub fn first(good: usize, bytes: &[u8]) -> From {
        From {
            bytes: bytes.to_vec(),
            reach: Reach::First(good),
        }
    }
}
