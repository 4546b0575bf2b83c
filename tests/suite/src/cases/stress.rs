//! Many processes at once, and long runs of small steps.

use crate::abi::*;
use crate::bulk::{self, Drained};
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::{Ctx, MAX_SIZE};
use crate::errno::*;
use crate::host::ECHOWR;
use crate::process::Process;
use crate::sys::Fd;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

cases! { "stress":
    every_byte_of_64_writers_and_64_readers,
    every_byte_through_the_first_size,
    order_of_each_writer,
    signals_lose_nothing [Signals],
    resize_and_clear_with_a_blocked_writer,
    resize_with_blocked_writers,
    resize_and_clear_in_the_traffic,
    unload_in_the_traffic [Unload],
    like_a_queue,
}

/// Checks that every writer's stream of `total` bytes was transferred exactly once.
fn every_byte(drained: &[Drained], writers: u8, total: u64) -> Outcome {
    for writer in 0..writers {
        for phase in 0..4 {
            let value = usize::from(bulk::byte(writer, phase));
            let got: u64 = drained.iter().map(|drained| drained.counts[value]).sum();
            let want = (total + 3 - phase) / 4;
            check_eq!(got, want, "byte {phase} modulo 4 of writer {writer}");
        }
    }
    let all: u64 = drained.iter().flat_map(|drained| &drained.counts).sum();
    check_eq!(all, total * u64::from(writers), "bytes in all");
    Ok(())
}

/// Writers and readers, each a process with the device open. The writers open first, so that no
/// reader gets an early end of file.
fn crowd(cx: &mut Ctx, n: u8, flags: i32) -> Outcome<Vec<(Process, Fd)>> {
    (0..n).map(|_| cx.opened(flags)).collect()
}

/// Moves `total` bytes from each of `writers` to `readers`, and returns the readers' results.
fn traffic(
    cx: &mut Ctx,
    writers: u8,
    readers: u8,
    total: u64,
    chunk: usize,
) -> Outcome<Vec<Drained>> {
    let mut sources = crowd(cx, writers, O_WRONLY)?;
    let mut sinks = crowd(cx, readers, O_RDONLY)?;
    for (p, fd) in &mut sinks {
        p.start(Call::Drain { fd: *fd, chunk })?;
    }
    for (writer, (p, fd)) in sources.iter_mut().enumerate() {
        // Chunks of odd sizes, different for each.
        p.start(Call::Pour {
            fd: *fd,
            writer: writer as u8,
            total,
            chunk: chunk - writer,
        })?;
    }
    for (mut p, fd) in sources {
        let poured = p.finish_pour()?;
        check_eq!((poured.bytes, poured.end), (total, Ok(())));
        p.close(fd)?;
    }
    let mut drained = vec![];
    for (p, _) in &mut sinks {
        let got = p.finish_drain()?;
        check_eq!(got.end, Ok(()));
        drained.push(got);
    }
    Ok(drained)
}

fn every_byte_of_64_writers_and_64_readers(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    p.resize(w, 256 << 10)?;
    p.exit()?;
    let drained = traffic(cx, 64, 64, 1 << 20, 32 << 10)?;
    every_byte(&drained, 64, 1 << 20)
}

fn every_byte_through_the_first_size(cx: &mut Ctx) -> Outcome {
    let drained = traffic(cx, 8, 8, 8 << 10, 100)?;
    every_byte(&drained, 8, 8 << 10)
}

fn order_of_each_writer(cx: &mut Ctx) -> Outcome {
    let drained = traffic(cx, 16, 1, 16 << 10, 200)?;
    check_eq!(drained[0].out_of_order, 0);
    every_byte(&drained, 16, 16 << 10)
}

fn signals_lose_nothing(cx: &mut Ctx) -> Outcome {
    const TOTAL: u64 = 20_000;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    writer.catch(SIGUSR1, false)?;
    reader.catch(SIGUSR1, true)?;
    writer.start(Call::Pour {
        fd: w,
        writer: 5,
        total: TOTAL,
        chunk: 150,
    })?;
    cx.asleep(&writer, ECHOWR)?;
    for _ in 0..100 {
        writer.kill(SIGUSR1)?;
    }
    reader.start(Call::Drain { fd: r, chunk: 70 })?;
    for _ in 0..200 {
        writer.kill(SIGUSR1)?;
        reader.kill(SIGUSR1)?;
    }
    let poured = writer.finish_pour()?;
    check_eq!((poured.bytes, poured.end), (TOTAL, Ok(())));
    writer.close(w)?;
    let drained = reader.finish_drain()?;
    check_eq!((drained.out_of_order, drained.end), (0, Ok(())));
    for phase in 0..4 {
        check_eq!(drained.counts[usize::from(bulk::byte(5, phase))], TOTAL / 4);
    }
    Ok(())
}

/// A write of 1000 bytes that completes in small steps.
fn resize_and_clear_with_a_blocked_writer(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let data: Vec<u8> = (0..1000).map(|i| (i % 251) as u8).collect();
    writer.start(Call::write(w, &data))?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 64, "at first");
    other.resize(rw, 128)?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 128, "after a grow");
    check_eq!(other.try_resize(rw, 127)?, Err(EBUSY));
    check_eq!(other.read(rw, 28)?, Ok(data[..28].to_vec()));
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 128, "after a read");
    other.clear(rw)?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 128, "after a clear");
    // 28 were read, 128 discarded.
    check_eq!(other.read(rw, 10)?, Ok(data[156..166].to_vec()));
    cx.asleep(&writer, ECHOWR)?;
    other.resize(rw, 300)?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 300, "after another grow");
    check_eq!(other.read(rw, 300)?, Ok(data[166..466].to_vec()));
    cx.asleep(&writer, ECHOWR)?;
    other.resize(rw, 1000)?;
    check_eq!(writer.finish_write()?, Ok(1000));
    check_eq!(other.read(rw, 1000)?, Ok(data[466..].to_vec()));
    Ok(())
}

fn resize_with_blocked_writers(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    other.resize(rw, 0)?;
    let mut writers = vec![];
    for i in 0..8 {
        let (mut p, w) = cx.opened(O_WRONLY)?;
        p.start(Call::write(w, &[i; 20]))?;
        cx.asleep(&p, ECHOWR)?;
        writers.push(p);
    }
    // Room for all but one byte, and then for that byte.
    other.resize(rw, 159)?;
    other.resize(rw, 160)?;
    for p in &mut writers {
        check_eq!(p.finish_write()?, Ok(20));
    }
    let mut got = other.read(rw, 1000)?.unwrap_or_default();
    got.sort();
    let want: Vec<u8> = (0..8).flat_map(|i| [i; 20]).collect();
    check_eq!(got, want);
    Ok(())
}

fn resize_and_clear_in_the_traffic(cx: &mut Ctx) -> Outcome {
    const TOTAL: u64 = 64 << 10;
    let mut sources = crowd(cx, 4, O_WRONLY)?;
    let mut sinks = crowd(cx, 4, O_RDONLY)?;
    let (mut other, w) = cx.opened(O_WRONLY)?;
    for (p, fd) in &mut sinks {
        p.start(Call::Drain {
            fd: *fd,
            chunk: 300,
        })?;
    }
    for (writer, (p, fd)) in sources.iter_mut().enumerate() {
        p.start(Call::Pour {
            fd: *fd,
            writer: writer as u8,
            total: TOTAL,
            chunk: 200 + writer,
        })?;
    }
    for i in 0..300 {
        // Shrinking is refused while the bytes held would not fit.
        check_one_of!(
            other.try_resize(w, [64, 1000, 0, 1, 300, 4096][i % 6])?,
            [Ok(()), Err(EBUSY)]
        );
        if i % 7 == 0 {
            other.clear(w)?;
        }
    }
    other.resize(w, MAX_SIZE)?;
    other.exit()?;
    for (mut p, fd) in sources {
        let poured = p.finish_pour()?;
        check_eq!((poured.bytes, poured.end), (TOTAL, Ok(())));
        p.close(fd)?;
    }
    let mut counts = vec![0; 256];
    for (p, _) in &mut sinks {
        let drained = p.finish_drain()?;
        check_eq!(drained.end, Ok(()));
        for (sum, n) in counts.iter_mut().zip(drained.counts) {
            *sum += n;
        }
    }
    // Cleared bytes are missing, but no byte is duplicated or invented.
    for (value, n) in counts.iter().enumerate() {
        let most = if value < 4 * 4 { TOTAL / 4 } else { 0 };
        check!(
            *n <= most,
            "byte {value} was read {n} times, and written at most {most} times"
        );
    }
    Ok(())
}

/// Readers and writers that continue until the device is gone.
fn unload_in_the_traffic(cx: &mut Ctx) -> Outcome {
    for round in 0..200 {
        let mut sources = crowd(cx, 3, O_WRONLY)?;
        let mut sinks = crowd(cx, 3, O_RDONLY)?;
        for (writer, (p, fd)) in sources.iter_mut().enumerate() {
            p.start(Call::Pour {
                fd: *fd,
                writer: writer as u8,
                total: u64::MAX,
                chunk: 100 + writer,
            })?;
        }
        for (p, fd) in &mut sinks {
            p.start(Call::Drain { fd: *fd, chunk: 50 })?;
        }
        cx.unload()?;
        for (p, _) in &mut sources {
            check_one_of!(p.finish_pour()?.end, [Err(ENXIO), Err(EIO)]);
        }
        for (p, _) in &mut sinks {
            check_one_of!(p.finish_drain()?.end, [Err(ENXIO), Err(EIO)]);
        }
        cx.load()?;
        let (mut p, r) = cx.opened(O_RDONLY)?;
        check_eq!(p.read(r, 1)?, Ok(vec![]), "round {round}");
    }
    Ok(())
}

/// Random calls of one process, each compared with a queue of bytes.
fn like_a_queue(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let mut queue: VecDeque<u8> = VecDeque::new();
    let mut size = 64;
    let mut random = Random(0x5eed);
    for step in 0..20_000 {
        match random.below(20) {
            0 => {
                let wanted = random.below(130);
                let fits = wanted >= queue.len();
                check_eq!(
                    p.try_resize(rw, wanted as u64)?,
                    if fits { Ok(()) } else { Err(EBUSY) },
                    "step {step}"
                );
                if fits {
                    size = wanted;
                }
            }
            1 if random.below(10) == 0 => {
                p.clear(rw)?;
                queue.clear();
            }
            2 => {
                check_eq!(
                    (p.held(rw)?, p.room(rw)?),
                    (queue.len() as i32, (size - queue.len()) as i32),
                    "step {step}"
                )
            }
            3..=11 => {
                let data: Vec<u8> = (0..random.below(50) + 1)
                    .map(|_| random.below(256) as u8)
                    .collect();
                let n = data.len().min(size - queue.len());
                check_eq!(
                    p.write(rw, &data)?,
                    if n == 0 { Err(EWOULDBLOCK) } else { Ok(n) },
                    "step {step}"
                );
                queue.extend(&data[..n]);
            }
            _ => {
                let n = random.below(50) + 1;
                let want: Vec<u8> = queue.drain(..n.min(queue.len())).collect();
                check_eq!(
                    p.read(rw, n)?,
                    if want.is_empty() {
                        Err(EWOULDBLOCK)
                    } else {
                        Ok(want)
                    },
                    "step {step}"
                );
            }
        }
    }
    Ok(())
}

/// Pseudo-random numbers, the same in every run (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}
