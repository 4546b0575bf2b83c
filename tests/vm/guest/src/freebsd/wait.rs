//! poll(2), select(2), kqueue(2).

use super::raw::{Result, syscall};
use super::time::Timespec;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr;
use suite::errno::{EBADF, EINVAL, EWOULDBLOCK};
use suite::sys::{Fd, FdSets, Kevent, PollFd, Timeout};

const SYS_SELECT: usize = 93;
const SYS_POLL: usize = 209;
const SYS_KQUEUE: usize = 362;
const SYS_KEVENT: usize = 560;
const SYS_KQUEUEX: usize = 583;

/// The bits of a set of descriptors.
const FD_SETSIZE: usize = 1024;

/// `struct pollfd`
#[repr(C)]
struct RawPollFd {
    fd: i32,
    events: i16,
    revents: i16,
}

/// `struct timeval`
#[repr(C)]
struct Timeval {
    seconds: i64,
    microseconds: i64,
}

/// `struct kevent`
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct RawKevent {
    ident: usize,
    filter: i16,
    flags: u16,
    fflags: u32,
    data: i64,
    udata: u64,
    ext: [u64; 4],
}

/// poll(2)
pub fn poll(fds: &mut [PollFd], timeout: Timeout) -> Result<usize> {
    let mut raw: Vec<RawPollFd> = fds
        .iter()
        .map(|entry| RawPollFd {
            fd: entry.fd,
            events: entry.events,
            revents: entry.revents,
        })
        .collect();
    let milliseconds = timeout.map_or(-1, |ms| ms as isize);
    // SAFETY: writes to the entries, which are there.
    let ready = unsafe {
        syscall(
            SYS_POLL,
            [raw.as_mut_ptr() as usize, raw.len(), milliseconds as usize],
        )
    }?;
    for (entry, raw) in fds.iter_mut().zip(raw) {
        entry.revents = raw.revents;
    }
    Ok(ready)
}

/// poll(2) of one descriptor without waiting. Fails with EWOULDBLOCK if there is no event.
pub fn poll_one(fd: Fd, events: i16) -> Result<()> {
    let mut entry = RawPollFd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: writes to the entry.
    match unsafe { syscall(SYS_POLL, [&raw mut entry as usize, 1, 0]) }? {
        0 => Err(EWOULDBLOCK),
        _ => Ok(()),
    }
}

/// select(2)
pub fn select(sets: &mut FdSets, timeout: Timeout) -> Result<usize> {
    let mut raw = [bits(&sets.read)?, bits(&sets.write)?, bits(&sets.except)?];
    let highest = [&sets.read, &sets.write, &sets.except]
        .into_iter()
        .flatten()
        .max()
        .copied()
        .unwrap_or(-1);
    let [read, write, except] = raw.each_mut().map(|set| set.as_mut_ptr() as usize);
    let time = timeout.map(|ms| Timeval {
        seconds: i64::from(ms / 1000),
        microseconds: i64::from(ms % 1000) * 1000,
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref) as usize;
    // SAFETY: writes to the sets, which have room for every descriptor below FD_SETSIZE. `bits`
    // checked that.
    let ready = unsafe {
        syscall(
            SYS_SELECT,
            [(highest + 1) as usize, read, write, except, time],
        )
    }?;
    for (fds, set) in [&mut sets.read, &mut sets.write, &mut sets.except]
        .into_iter()
        .zip(raw)
    {
        fds.retain(|fd| set[*fd as usize / 64] & 1 << (fd % 64) != 0);
    }
    Ok(ready)
}

fn bits(fds: &[Fd]) -> Result<[u64; FD_SETSIZE / 64]> {
    let mut set = [0; FD_SETSIZE / 64];
    for fd in fds {
        let index = usize::try_from(*fd).map_err(|_| EBADF)?;
        *set.get_mut(index / 64).ok_or(EINVAL)? |= 1 << (index % 64);
    }
    Ok(set)
}

/// kqueue(2)
pub fn kqueue() -> Result<Fd> {
    // SAFETY: does not touch memory.
    Ok(unsafe { syscall(SYS_KQUEUE, []) }? as Fd)
}

/// kqueuex(2) with KQUEUE_CPONFORK
pub fn kqueue_cponfork() -> Result<Fd> {
    const KQUEUE_CPONFORK: usize = 2;
    // SAFETY: does not touch memory.
    Ok(unsafe { syscall(SYS_KQUEUEX, [KQUEUE_CPONFORK]) }? as Fd)
}

/// kevent(2) for at most `max` events.
pub fn kevent(kq: Fd, changes: &[Kevent], max: usize, timeout: Timeout) -> Result<Vec<Kevent>> {
    let changes: Vec<RawKevent> = changes.iter().map(RawKevent::from).collect();
    let mut events = vec![RawKevent::default(); max];
    let time = timeout.map(Timespec::from_milliseconds);
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref) as usize;
    let arguments = [
        kq as usize,
        changes.as_ptr() as usize,
        changes.len(),
        events.as_mut_ptr() as usize,
        events.len(),
        time,
    ];
    // SAFETY: writes to the events, as many as there is room for.
    let count = unsafe { syscall(SYS_KEVENT, arguments) }?;
    Ok(events[..count].iter().map(Kevent::from).collect())
}

/// kevent(2) for one event without waiting. Fails with EWOULDBLOCK if there is none.
pub fn collect_one(kq: Fd) -> Result<()> {
    let mut event = RawKevent::default();
    let time = Timespec::default();
    let arguments = [
        kq as usize,
        0,
        0,
        &raw mut event as usize,
        1,
        &raw const time as usize,
    ];
    // SAFETY: reads the time, and writes to the event.
    match unsafe { syscall(SYS_KEVENT, arguments) }? {
        0 => Err(EWOULDBLOCK),
        _ => Ok(()),
    }
}

impl RawKevent {
    /// The structure at the beginning of `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = &bytes[..size_of::<Self>()];
        // SAFETY: there are enough bytes, and any bytes are a valid value of these integers.
        unsafe { bytes.as_ptr().cast::<Self>().read_unaligned() }
    }
}

impl core::convert::From<&Kevent> for RawKevent {
    fn from(event: &Kevent) -> Self {
        Self {
            ident: event.ident as usize,
            filter: event.filter,
            flags: event.flags,
            fflags: event.fflags,
            data: event.data,
            udata: event.udata,
            ext: [0; 4],
        }
    }
}

impl core::convert::From<&RawKevent> for Kevent {
    fn from(event: &RawKevent) -> Self {
        Self {
            ident: event.ident as u64,
            filter: event.filter,
            flags: event.flags,
            fflags: event.fflags,
            data: event.data,
            udata: event.udata,
        }
    }
}
