//! The operations of a single process.

use super::measure::{PerOperation, Watch, median};
use super::subject::{Ends, Result, Subject};
use crate::freebsd::{files, wait};
use suite::abi::{EV_ADD, EVFILT_READ, O_RDWR, POLLIN};
use suite::errno::ENXIO;
use suite::sys::{Fd, Kevent};

/// Operations in a round.
const OPERATIONS: usize = 2000;

/// The maximum of bytes that are drained in a round.
const DRAINED_MAX: usize = 64 << 10;

/// The nanoseconds after which a round of a drain ends.
const DRAIN_TIME: u64 = 400_000_000;

/// write(2) and read(2) of `len` bytes, through a buffer of as many, 64 at least.
pub fn pair(subject: &Subject, len: usize) -> Result<PerOperation> {
    let ends = subject.ends(len.max(64))?.nonblocking()?;
    let operations = OPERATIONS.min((4 << 20) / len);
    median(|| {
        let watch = Watch::start();
        for _ in 0..operations {
            ends.write(len)?;
            ends.read(len)?;
        }
        Ok(watch.stop(operations))
    })
}

/// read(2) of one byte from a buffer that was full at first.
pub fn drain(subject: &Subject, size: usize) -> Result<PerOperation> {
    const BETWEEN_LOOKS: usize = 64;
    let ends = subject.ends(size)?.nonblocking()?;
    median(|| {
        ends.write_all(size)?;
        let watch = Watch::start();
        let mut drained = 0;
        while drained < size.min(DRAINED_MAX) && watch.elapsed() < DRAIN_TIME {
            for _ in 0..BETWEEN_LOOKS {
                ends.read(1)?;
            }
            drained += BETWEEN_LOOKS;
        }
        let time = watch.stop(drained);
        ends.empty()?;
        Ok(time)
    })
}

/// write(2) of one byte until the buffer is full.
pub fn fill(subject: &Subject, size: usize) -> Result<PerOperation> {
    let ends = subject.ends(size)?.nonblocking()?;
    median(|| {
        let watch = Watch::start();
        for _ in 0..size {
            ends.write(1)?;
        }
        let time = watch.stop(size);
        ends.empty()?;
        Ok(time)
    })
}

/// poll(2) that finds a byte.
pub fn poll(subject: &Subject, size: usize) -> Result<PerOperation> {
    let ends = subject.ends(size)?.nonblocking()?;
    ends.write_all(1)?;
    let time = median(|| {
        let watch = Watch::start();
        for _ in 0..OPERATIONS {
            wait::poll_one(ends.read, POLLIN)?;
        }
        Ok(watch.stop(OPERATIONS))
    })?;
    ends.empty()?;
    Ok(time)
}

/// kevent(2) that finds a byte.
pub fn kevent(subject: &Subject, size: usize) -> Result<PerOperation> {
    watched(subject, size, |ends, kq| {
        ends.write(1)?;
        let watch = Watch::start();
        for _ in 0..OPERATIONS {
            wait::collect_one(kq)?;
        }
        let time = watch.stop(OPERATIONS);
        ends.empty()?;
        Ok(time)
    })
}

/// write(2) of one byte, kevent(2) that finds it, and its read(2).
pub fn kqueue_loop(subject: &Subject, size: usize) -> Result<PerOperation> {
    watched(subject, size, |ends, kq| {
        let watch = Watch::start();
        for _ in 0..OPERATIONS {
            ends.write(1)?;
            wait::collect_one(kq)?;
            ends.read(1)?;
        }
        Ok(watch.stop(OPERATIONS))
    })
}

/// Rounds with a kqueue that waits for something to read.
fn watched(
    subject: &Subject,
    size: usize,
    round: impl Fn(&Ends, Fd) -> Result<PerOperation>,
) -> Result<PerOperation> {
    let ends = subject.ends(size)?.nonblocking()?;
    let kq = wait::kqueue()?;
    let change = Kevent {
        ident: ends.read as u64,
        filter: EVFILT_READ,
        flags: EV_ADD,
        fflags: 0,
        data: 0,
        udata: 0,
    };
    wait::kevent(kq, &[change], 0, None)?;
    let time = median(|| round(&ends, kq));
    files::close(kq)?;
    time
}

/// open(2) for reading and writing, and close(2), of a device that is open already.
pub fn open_close(subject: &Subject, size: usize) -> Result<PerOperation> {
    let device = subject.device().ok_or(ENXIO)?;
    let _ends = subject.ends(size)?;
    median(|| {
        let watch = Watch::start();
        for _ in 0..OPERATIONS {
            files::close(files::open(device, O_RDWR)?)?;
        }
        Ok(watch.stop(OPERATIONS))
    })
}
