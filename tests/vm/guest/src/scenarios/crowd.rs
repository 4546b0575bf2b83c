//! 32 processes that read and write as fast as they can, while the device is resized and cleared.

use super::{close_dead, expect};
use crate::tap;
use alloc::format;
use alloc::vec::Vec;
use suite::abi::{O_RDONLY, O_WRONLY};
use suite::call::Call;
use suite::check::{Failure, Outcome};
use suite::ctx::{Ctx, MAX_SIZE};
use suite::errno::{EBUSY, EIO, ENXIO};
use suite::process::Process;
use suite::sys::Fd;

const WRITERS: u8 = 16;
const READERS: u8 = 16;

/// Processes at work.
struct Crowd {
    writers: Vec<(Process, Fd)>,
    readers: Vec<(Process, Fd)>,
}

impl Crowd {
    /// Processes that have the device open. The writers open first, so that no reader gets an end
    /// of file.
    fn gather(cx: &mut Ctx<'_>) -> Outcome<Crowd> {
        let mut open = |n, flags| {
            (0..n)
                .map(|_| cx.opened(flags))
                .collect::<Outcome<Vec<_>>>()
        };
        Ok(Crowd {
            writers: open(WRITERS, O_WRONLY)?,
            readers: open(READERS, O_RDONLY)?,
        })
    }

    /// Each writer writes `total` bytes. The readers read until the end.
    fn start(&mut self, total: u64) -> Outcome {
        for (process, fd) in &mut self.readers {
            process.start(Call::Drain { fd: *fd, chunk: 90 })?;
        }
        for (writer, (process, fd)) in (0..).zip(&mut self.writers) {
            process.start(Call::Pour {
                fd: *fd,
                writer,
                total,
                chunk: 100 + usize::from(writer),
            })?;
        }
        Ok(())
    }
}

/// One step of a process that resizes and clears in turn. Shrinking is refused while too many bytes
/// are held.
fn disturb(process: &mut Process, fd: Fd, step: usize) -> Outcome {
    let size = [64, 1000, 0, 300, 1, 4096][step % 6];
    match process.try_resize(fd, size)? {
        Ok(()) | Err(EBUSY) => {}
        Err(error) => return Err(Failure::new(format!("resize to {size}: {error}"))),
    }
    if step.is_multiple_of(5) {
        process.clear(fd)
    } else {
        Ok(())
    }
}

/// No byte is duplicated, nothing hangs, and every process ends.
pub fn with_resize_and_clear(cx: &mut Ctx<'_>) -> Outcome {
    const TOTAL: u64 = 16 << 10;
    let mut crowd = Crowd::gather(cx)?;
    let (mut other, w) = cx.opened(O_WRONLY)?;
    crowd.start(TOTAL)?;
    for step in 0..500 {
        disturb(&mut other, w, step)?;
    }
    other.resize(w, MAX_SIZE)?;
    other.exit()?;
    for (mut process, fd) in crowd.writers {
        let poured = process.finish_pour()?;
        expect("a writer", (poured.bytes, poured.end), (TOTAL, Ok(())))?;
        process.close(fd)?;
    }
    let mut read = 0;
    for (mut process, _) in crowd.readers {
        let drained = process.finish_drain()?;
        expect("a reader", drained.end, Ok(()))?;
        read += drained.counts.iter().sum::<u64>();
    }
    let written = TOTAL * u64::from(WRITERS);
    if read > written {
        return Err(Failure::new(format!(
            "{read} bytes were read, {written} written"
        )));
    }
    Ok(())
}

/// The module is unloaded and loaded 200 times, in the middle of calls of the same processes.
pub fn unload_in_the_middle(cx: &mut Ctx<'_>) -> Outcome {
    // There is no room at first, so the processes wait for each other until the first resize.
    cx.unload()?;
    cx.set_tunable("hw.echodev.bufsize", "0")?;
    cx.load()?;
    let mut crowd = Crowd::gather(cx)?;
    let (mut other, mut w) = cx.opened(O_WRONLY)?;
    for round in 0..200 {
        if round % 25 == 0 {
            tap::note(format_args!("{round} of 200 unloads"));
        }
        crowd.start(u64::MAX)?;
        for step in 0..=round % 3 {
            disturb(&mut other, w, step)?;
        }
        cx.unload()?;
        for (process, _) in &mut crowd.writers {
            check_gone(process.finish_pour()?.end)?;
        }
        for (process, _) in &mut crowd.readers {
            check_gone(process.finish_drain()?.end)?;
        }
        cx.load()?;
        close_dead(&mut other, w)?;
        w = other.open(O_WRONLY)?;
        for (flags, processes) in [
            (O_WRONLY, &mut crowd.writers),
            (O_RDONLY, &mut crowd.readers),
        ] {
            for (process, fd) in processes {
                close_dead(process, *fd)?;
                *fd = process.open(flags)?;
            }
        }
    }
    Ok(())
}

fn check_gone(end: suite::sys::Result<()>) -> Outcome {
    match end {
        // It was asleep during the unload, or made its call after it.
        Err(ENXIO | EIO) => Ok(()),
        other => Err(Failure::new(format!(
            "expected ENXIO or EIO, got {other:?}"
        ))),
    }
}
