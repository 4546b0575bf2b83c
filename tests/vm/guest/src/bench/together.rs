//! The operations of several processes.

use super::measure::{PerOperation, Watch, median};
use super::subject::{REQUEST_MAX, Result, Subject};
use crate::freebsd::files::{self, Iovec};
use crate::freebsd::{kinfo, processes, time};
use alloc::vec::Vec;
use suite::abi::SIGKILL;
use suite::host::Pid;

const STREAM: usize = 8 << 20;
const TURNS: usize = 1000;
const READERS: usize = 16;

/// A process that repeats an operation until it is dropped or fails.
struct Loop(Pid);

impl Loop {
    fn start(mut turn: impl FnMut() -> Result<()>) -> Result<Self> {
        match processes::fork()? {
            Some(pid) => Ok(Self(pid)),
            None => {
                while turn().is_ok() {}
                processes::exit(1)
            }
        }
    }

    /// Waits until it sleeps. The kernel has no event for that, so this polls.
    fn wait_asleep(&self) -> Result<()> {
        while kinfo::wmesg(self.0)?.is_none() {
            time::give_way();
        }
        Ok(())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It is a child that has not been waited for.
        let _ = processes::kill(self.0, SIGKILL);
        let _ = processes::wait(self.0);
    }
}

/// 8 MiB from one process to another, by requests of 64 KiB.
pub fn stream(subject: &Subject, size: usize) -> Result<PerOperation> {
    let ends = subject.ends(size)?;
    let gate = Subject::Pipe.ends(1)?;
    on_one_processor(|| {
        let writer = Loop::start(|| {
            gate.read(1)?;
            ends.write_all(STREAM)
        })?;
        median(|| {
            writer.wait_asleep()?;
            let watch = Watch::start();
            gate.write(1)?;
            let mut left = STREAM;
            while left > 0 {
                left -= ends.read(left)?;
            }
            Ok(watch.stop(STREAM / REQUEST_MAX))
        })
    })
}

/// A byte to another process that waits for it, and one back through a pipe.
pub fn ping_pong(subject: &Subject, size: usize) -> Result<PerOperation> {
    let there = subject.ends(size)?;
    let back = Subject::Pipe.ends(1)?;
    on_one_processor(|| {
        let other = Loop::start(|| {
            there.read(1)?;
            back.write(1).map(drop)
        })?;
        median(|| {
            other.wait_asleep()?;
            let watch = Watch::start();
            for _ in 0..TURNS {
                there.write(1)?;
                back.read(1)?;
            }
            Ok(watch.stop(TURNS))
        })
    })
}

/// A byte to 16 processes that all wait for it. The writer runs only while no reader does, so each
/// byte arrives when all of them are asleep again.
pub fn readers(subject: &Subject, size: usize) -> Result<PerOperation> {
    let ends = subject.ends(size)?;
    on_one_processor(|| {
        let readers = (0..READERS)
            .map(|_| Loop::start(|| ends.read(1).map(drop)))
            .collect::<Result<Vec<_>>>()?;
        readers.iter().try_for_each(Loop::wait_asleep)?;
        processes::run_last()?;
        median(|| {
            let watch = Watch::start();
            for _ in 0..TURNS {
                ends.write(1)?;
            }
            Ok(watch.stop(TURNS))
        })
    })
}

/// Measures in a separate process, which remains on one processor with its children. The choice of
/// processors by the scheduler has more effect than the operations. Fails with EWOULDBLOCK if the
/// process fails.
fn on_one_processor(measure: impl FnOnce() -> Result<PerOperation>) -> Result<PerOperation> {
    let result = Subject::Pipe.ends(1)?.nonblocking()?;
    let Some(child) = processes::fork()? else {
        let sent = processes::stay_on_first_processor()
            .and_then(|()| measure())
            .and_then(|time| {
                let bytes = time.to_bytes();
                files::write(
                    result.write,
                    Iovec {
                        base: bytes.as_ptr() as usize,
                        len: bytes.len(),
                    },
                )
            });
        processes::exit(sent.is_err().into())
    };
    processes::wait(child)?;
    let mut bytes = [0; 8];
    // SAFETY: the bytes are valid, and nothing else uses them.
    unsafe {
        files::read(
            result.read,
            Iovec {
                base: bytes.as_mut_ptr() as usize,
                len: bytes.len(),
            },
        )
    }?;
    Ok(PerOperation::from_bytes(bytes))
}
