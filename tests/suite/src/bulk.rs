//! Loops of a process that move much data, and keep account of every byte.
//!
//! A byte has the number of its writer (6 bits) and its position in that writer's stream modulo 4
//! (2 bits). So lost, duplicated and swapped bytes are found. A call that a signal has interrupted
//! is made again.

use crate::errno::EINTR;
use crate::sys::{Fd, Memory, Reach, Result, Sys};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The maximum number of writers.
pub const WRITERS: usize = 64;

/// The byte at `position` of the stream of `writer`, below [`WRITERS`].
pub fn byte(writer: u8, position: u64) -> u8 {
    writer << 2 | (position % 4) as u8
}

/// The result of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poured {
    /// Bytes that write(2) has accepted.
    pub bytes: u64,
    /// Success if all was written, or the error.
    pub end: Result<()>,
}

/// The result of a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// The count of each of the 256 values.
    pub counts: Vec<u64>,
    /// Bytes that were not the next of their writer's stream. It has no meaning if there are other
    /// readers.
    pub out_of_order: u64,
    /// Success at end of file, or the error.
    pub end: Result<()>,
}

/// Writes the first `total` bytes of the stream of `writer`, at most `chunk` at a time, until done
/// or an error.
pub fn pour<S: Sys>(sys: &mut S, fd: Fd, writer: u8, total: u64, chunk: usize) -> Poured {
    let mut done = 0;
    while done < total {
        let len = chunk.min(usize::try_from(total - done).unwrap_or(chunk));
        let bytes: Vec<u8> = (done..done + len as u64)
            .map(|position| byte(writer, position))
            .collect();
        let mut from = sys.memory(len, Reach::All);
        from.set(&bytes);
        match sys.write(fd, &from) {
            Ok(n) => done += n as u64,
            Err(EINTR) => {}
            Err(error) => {
                return Poured {
                    bytes: done,
                    end: Err(error),
                };
            }
        }
    }
    Poured {
        bytes: done,
        end: Ok(()),
    }
}

/// Reads, at most `chunk` bytes at a time, until end of file or an error.
pub fn drain<S: Sys>(sys: &mut S, fd: Fd, chunk: usize) -> Drained {
    let mut drained = Drained {
        counts: alloc::vec![0; 256],
        out_of_order: 0,
        end: Ok(()),
    };
    let mut next = [0u8; WRITERS];
    let mut into = sys.memory(chunk, Reach::All);
    loop {
        let n = match sys.read(fd, &mut into) {
            Ok(0) => return drained,
            Ok(n) => n,
            Err(EINTR) => continue,
            Err(error) => {
                drained.end = Err(error);
                return drained;
            }
        };
        for byte in &into.get()[..n] {
            drained.counts[usize::from(*byte)] += 1;
            let expected = &mut next[usize::from(byte >> 2)];
            if byte & 3 != *expected {
                drained.out_of_order += 1;
            }
            *expected = byte.wrapping_add(1) & 3;
        }
    }
}
