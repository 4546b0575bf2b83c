//! Calls that may have to wait, in a form that can run on any thread.

use super::call::Kind;
use super::memory::Memory;
use kldhost::sync::Duration;
use kldhost::{Errno, Fd, FdSet, Kevent, PollFd, Process};

/// A call that may have to wait.
pub enum Work {
    Read {
        fd: Fd,
        into: Vec<Memory>,
        kind: Kind,
    },
    Write {
        fd: Fd,
        from: Vec<Memory>,
        kind: Kind,
    },
    Question(Question),
    Kevent {
        kq: Fd,
        changes: Vec<Kevent>,
        max: usize,
    },
}

/// A call that changes nothing.
#[derive(Clone)]
pub enum Question {
    Poll(Vec<PollFd>),
    /// The sets for reading, writing and exceptions, with one bit for each of the first
    /// descriptors.
    Select {
        nfds: i32,
        sets: [u8; 3],
    },
}

/// The result of a call.
pub struct Done {
    /// The name of the call.
    pub call: &'static str,
    pub result: Result<usize, Errno>,
    /// The bytes of a read.
    pub bytes: Vec<u8>,
}

impl Work {
    /// The query, if the call is one.
    pub fn question(&self) -> Option<Question> {
        if let Work::Question(question) = self {
            Some(question.clone())
        } else {
            None
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Work::Read { .. } => "read",
            Work::Write { .. } => "write",
            Work::Question(Question::Poll(_)) => "poll",
            Work::Question(Question::Select { .. }) => "select",
            Work::Kevent { .. } => "kevent",
        }
    }

    /// Makes the call. With `wait`, poll(2), select(2) and kevent(2) wait without limit, otherwise
    /// not at all.
    pub fn perform(&mut self, process: &Process, wait: bool) -> Done {
        let mut bytes = Vec::new();
        let result = match self {
            Work::Read { fd, into, kind } => {
                let result = read(process, *fd, into, *kind);
                bytes = into
                    .iter()
                    .flat_map(Memory::bytes)
                    .take(result.unwrap_or(0))
                    .collect();
                assert_eq!(
                    bytes.len(),
                    result.unwrap_or(0),
                    "more is read than there is room for"
                );
                result
            }
            Work::Write { fd, from, kind } => write(process, *fd, from, *kind),
            Work::Question(question) => question.perform(process, wait),
            Work::Kevent { kq, changes, max } => {
                let mut events = vec![Kevent::default(); *max];
                let result =
                    process.kevent(*kq, changes, &mut events, (!wait).then_some(Duration::ZERO));
                assert!(
                    result.unwrap_or(0) <= *max,
                    "more events than there is room for"
                );
                result
            }
        };
        Done {
            call: self.name(),
            result,
            bytes,
        }
    }
}

impl Question {
    /// The current answer, the number of ready descriptors.
    pub fn ask(&self, process: &Process) -> Result<usize, Errno> {
        self.perform(process, false)
    }

    fn perform(&self, process: &Process, wait: bool) -> Result<usize, Errno> {
        match self {
            Question::Poll(entries) => {
                process.poll(&mut entries.clone(), if wait { -1 } else { 0 })
            }
            Question::Select { nfds, sets } => {
                let set = |bits| {
                    FdSet(std::array::from_fn(|word| {
                        if word == 0 { u64::from(bits) } else { 0 }
                    }))
                };
                let [mut read, mut write, mut except] = sets.map(set);
                let timeout = (!wait).then_some(Duration::ZERO);
                process.select(
                    *nfds,
                    Some(&mut read),
                    Some(&mut write),
                    Some(&mut except),
                    timeout,
                )
            }
        }
    }
}

fn read(process: &Process, fd: Fd, into: &mut [Memory], kind: Kind) -> Result<usize, Errno> {
    match (kind, into) {
        (Kind::Plain, [one]) => process.read(fd, one.out()),
        (Kind::At(offset), [one]) => process.pread(fd, one.out(), offset),
        (_, many) => process.readv(
            fd,
            &mut many.iter_mut().map(Memory::out).collect::<Vec<_>>(),
        ),
    }
}

fn write(process: &Process, fd: Fd, from: &[Memory], kind: Kind) -> Result<usize, Errno> {
    match (kind, from) {
        (Kind::Plain, [one]) => process.write(fd, one.input()),
        (Kind::At(offset), [one]) => process.pwrite(fd, one.input(), offset),
        (_, many) => process.writev(fd, &many.iter().map(Memory::input).collect::<Vec<_>>()),
    }
}
