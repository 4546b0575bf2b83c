//! Programs of system calls, which are decoded from the fuzzer's bytes. Most programs make sense,
//! and any call is possible.

use arbitrary::{Arbitrary, Result, Unstructured};
use echodev::ioctl::{ECHODEV_CLEAR, ECHODEV_GBUFSIZE, ECHODEV_SBUFSIZE};
use kldhost::{
    EV_ADD, EV_CLEAR, EV_DELETE, EV_DISABLE, EV_DISPATCH, EV_ENABLE, EV_ONESHOT, EVFILT_READ,
    EVFILT_WRITE, FIOASYNC, FIOCLEX, FIODGNAME, FIODTYPE, FIONBIO, FIONREAD, FIONWRITE, O_ASYNC,
    O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, SigAction,
    Signal,
};

/// A program.
#[derive(Debug)]
pub struct Program {
    /// `hw.echodev.bufsize`.
    pub bufsize: u8,
    /// Whether the processes end before the module's last unload, or after it.
    pub exit_first: bool,
    pub steps: Vec<Step>,
}

/// A call of one process.
#[derive(Debug)]
pub struct Step {
    /// The process, as an index modulo the number of processes.
    pub process: u8,
    pub call: Call,
}

#[derive(Debug)]
pub enum Call {
    Open(i32),
    Close(AnyFd),
    Dup(AnyFd),
    Dup2(AnyFd, AnyFd),
    GetFlags(AnyFd),
    SetFlags(AnyFd, i32),
    Move(Move),
    Ioctl(AnyFd, u64, Argument),
    Poll {
        entries: Vec<(AnyFd, i16)>,
        wait: bool,
    },
    Select {
        nfds: u8,
        sets: [u8; 3],
        wait: bool,
    },
    Kqueue,
    Kevent {
        kq: AnyFd,
        changes: Vec<Change>,
        max: usize,
        wait: bool,
    },
    Sigaction(Signal, SigAction),
    Kill(Signal),
    /// Interrupts one of the calls that are asleep.
    Interrupt(u8),
    Fork,
    Exit,
    /// Polls with a callback.
    Watch(AnyFd, i16),
    Unwatch,
    Revoke,
    Load,
    Unload,
}

/// read(2), write(2) and their variants.
#[derive(Debug)]
pub struct Move {
    pub write: bool,
    pub fd: AnyFd,
    pub kind: Kind,
    pub buffers: Vec<Buffer>,
}

/// The variant of a read or write.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Plain,
    Vector,
    At(i64),
}

/// User memory, of which some bytes may be out of reach.
#[derive(Debug, Clone, Copy)]
pub enum Buffer {
    All(usize),
    /// The number of bytes at the beginning that are within reach.
    Head(usize, usize),
    Nowhere(usize),
}

/// A descriptor.
#[derive(Debug, Clone, Copy)]
pub enum AnyFd {
    /// Most likely one that is open.
    Open(u8),
    /// A kqueue, if there is one.
    Kqueue(u8),
    Number(i8),
}

/// A change to a kqueue.
#[derive(Debug)]
pub struct Change {
    pub fd: AnyFd,
    pub filter: i16,
    pub flags: u16,
}

/// The third argument of ioctl(2).
#[derive(Debug)]
pub enum Argument {
    /// No pointer.
    Int(i64),
    /// A buffer that holds this number and then zeroes.
    Number(i64, Buffer),
    /// A buffer that is read-only.
    Const(i64),
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Program> {
        let (bufsize, exit_first) = (u.arbitrary()?, u.arbitrary()?);
        let mut steps = Vec::new();
        while !u.is_empty() {
            steps.push(Step {
                process: u.arbitrary()?,
                call: call(u)?,
            });
        }
        Ok(Program {
            bufsize,
            exit_first,
            steps,
        })
    }
}

fn call(u: &mut Unstructured<'_>) -> Result<Call> {
    Ok(match u.arbitrary::<u8>()? {
        0..=23 => {
            Call::Open(one_of(u, &[O_RDWR, O_RDONLY, O_WRONLY])? | one_of(u, &[0, O_NONBLOCK])?)
        }
        24..=95 => Call::Move(movement(u)?),
        96..=107 => Call::Close(any_fd(u)?),
        108..=111 => Call::Dup(any_fd(u)?),
        112..=115 => Call::Dup2(any_fd(u)?, any_fd(u)?),
        116..=117 => Call::GetFlags(any_fd(u)?),
        118..=123 => Call::SetFlags(
            any_fd(u)?,
            one_of(u, &[0, O_NONBLOCK, O_ASYNC, O_NONBLOCK | O_ASYNC])?,
        ),
        124..=147 => Call::Ioctl(any_fd(u)?, request(u)?, argument(u)?),
        148..=159 => Call::Poll {
            entries: few(u, |u| Ok((any_fd(u)?, events(u)?)))?,
            wait: u.arbitrary()?,
        },
        160..=167 => Call::Select {
            nfds: u.arbitrary::<u8>()? % 12,
            sets: u.arbitrary()?,
            wait: u.arbitrary()?,
        },
        168..=173 => Call::Kqueue,
        174..=191 => Call::Kevent {
            kq: if u.ratio(15, 16)? {
                AnyFd::Kqueue(u.arbitrary()?)
            } else {
                any_fd(u)?
            },
            changes: few(u, change)?,
            max: u.int_in_range(0..=4)?,
            wait: u.arbitrary()?,
        },
        192..=199 => {
            let actions = [
                SigAction::Handler { restart: true },
                SigAction::Handler { restart: false },
            ];
            Call::Sigaction(
                signal(u)?,
                one_of(
                    u,
                    &[
                        actions[0],
                        actions[1],
                        SigAction::Default,
                        SigAction::Ignore,
                    ],
                )?,
            )
        }
        200..=209 => Call::Kill(signal(u)?),
        210..=213 => Call::Interrupt(u.arbitrary()?),
        214..=219 => Call::Fork,
        220..=221 => Call::Exit,
        222..=229 => Call::Watch(any_fd(u)?, events(u)?),
        230..=233 => Call::Unwatch,
        234..=239 => Call::Revoke,
        240..=245 => Call::Unload,
        246..=249 => Call::Load,
        250..=251 => Call::Open(u.arbitrary()?),
        252..=253 => Call::SetFlags(any_fd(u)?, u.arbitrary()?),
        254..=255 => Call::Ioctl(any_fd(u)?, u.arbitrary::<u32>()?.into(), argument(u)?),
    })
}

fn one_of<T: Copy>(u: &mut Unstructured<'_>, choices: &[T]) -> Result<T> {
    u.choose(choices).copied()
}

/// At most four.
fn few<T>(
    u: &mut Unstructured<'_>,
    one: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=4)?;
    (0..count).map(|_| one(u)).collect()
}

fn any_fd(u: &mut Unstructured<'_>) -> Result<AnyFd> {
    Ok(match u.arbitrary::<u8>()? {
        number @ 0..=223 => AnyFd::Open(number),
        number @ 224..=247 => AnyFd::Kqueue(number),
        _ => AnyFd::Number(u.arbitrary()?),
    })
}

fn movement(u: &mut Unstructured<'_>) -> Result<Move> {
    let (write, fd) = (u.arbitrary()?, any_fd(u)?);
    let (kind, buffers) = match u.arbitrary::<u8>()? {
        0..=191 => (Kind::Plain, vec![buffer(u)?]),
        192..=239 => (Kind::Vector, few(u, buffer)?),
        240..=255 => (Kind::At(u.arbitrary()?), vec![buffer(u)?]),
    };
    Ok(Move {
        write,
        fd,
        kind,
        buffers,
    })
}

fn buffer(u: &mut Unstructured<'_>) -> Result<Buffer> {
    let small = |u: &mut Unstructured<'_>| u.arbitrary::<u8>().map(usize::from);
    Ok(match u.arbitrary::<u8>()? {
        0..=191 => Buffer::All(small(u)?),
        192..=207 => Buffer::All(small(u)? * 64),
        208..=239 => Buffer::Head(small(u)?, small(u)?),
        240..=255 => Buffer::Nowhere(small(u)?),
    })
}

fn request(u: &mut Unstructured<'_>) -> Result<u64> {
    let known = [
        ECHODEV_SBUFSIZE,
        ECHODEV_SBUFSIZE,
        ECHODEV_CLEAR,
        ECHODEV_GBUFSIZE,
        FIONREAD,
        FIONWRITE,
        FIONBIO,
        FIOASYNC,
        FIODTYPE,
        FIODGNAME,
        FIOCLEX,
    ];
    one_of(u, &known)
}

fn argument(u: &mut Unstructured<'_>) -> Result<Argument> {
    Ok(match u.arbitrary::<u8>()? {
        0..=191 => Argument::Number(u.arbitrary::<u8>()?.into(), Buffer::All(16)),
        192..=215 => Argument::Number(i64::from(u.arbitrary::<u8>()?) * 17, Buffer::All(16)),
        216..=239 => Argument::Number(u.arbitrary()?, buffer(u)?),
        240..=247 => Argument::Const(u.arbitrary::<u8>()?.into()),
        248..=255 => Argument::Int(u.arbitrary()?),
    })
}

fn events(u: &mut Unstructured<'_>) -> Result<i16> {
    let sense = [POLLIN, POLLOUT, POLLIN | POLLOUT, POLLRDNORM, POLLPRI, 0];
    if u.ratio(15, 16)? {
        one_of(u, &sense)
    } else {
        u.arbitrary()
    }
}

fn signal(u: &mut Unstructured<'_>) -> Result<Signal> {
    let signals = [
        Signal::USR1,
        Signal::USR1,
        Signal::USR2,
        Signal::CHLD,
        Signal::TERM,
        Signal::KILL,
        Signal(128),
    ];
    one_of(u, &signals)
}

fn change(u: &mut Unstructured<'_>) -> Result<Change> {
    let flags = [
        EV_ADD,
        EV_ADD | EV_CLEAR,
        EV_ADD | EV_ONESHOT,
        EV_ADD | EV_DISPATCH,
        EV_ADD | EV_DISABLE,
        EV_ENABLE,
        EV_DISABLE,
        EV_DELETE,
    ];
    let fd = any_fd(u)?;
    // The high half has the flags that kevent(2) returns, and internal flags of the kernel.
    let flags = if u.ratio(7, 8)? {
        one_of(u, &flags)?
    } else {
        u.arbitrary::<u16>()? & 0x0fff
    };
    let filter = if u.ratio(15, 16)? {
        one_of(u, &[EVFILT_READ, EVFILT_WRITE])?
    } else {
        u.arbitrary()?
    };
    Ok(Change { fd, filter, flags })
}
