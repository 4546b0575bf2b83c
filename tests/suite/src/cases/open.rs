//! open(2) and close(2), and the count of writers.

use super::pattern;
use crate::abi::*;
use crate::check::{Failure, Outcome};
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::Block;
use alloc::vec;
use alloc::vec::Vec;

cases! { "open":
    access_modes,
    read_only_opens_are_no_writers,
    write_only_opens_are_writers,
    read_write_opens_are_writers,
    data_outlives_every_descriptor,
    each_open_is_its_own,
    a_dup_counts_once,
    dup2_closes_what_it_replaces,
    a_forked_descriptor_counts_once,
    exit_closes,
    sigkill_closes,
    no_more_writers_than_can_be_counted [Poke],
}

fn access_modes(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let (r, w, rw) = (p.open(O_RDONLY)?, p.open(O_WRONLY)?, p.open(O_RDWR)?);
    check_eq!(p.write(r, b"x")?, Err(EBADF));
    check_eq!(p.write(w, b"ab")?, Ok(2));
    check_eq!(p.write(rw, b"cd")?, Ok(2));
    check_eq!(p.read(w, 1)?, Err(EBADF));
    check_eq!(p.read(r, 3)?, Ok(b"abc".to_vec()));
    check_eq!(p.read(rw, 3)?, Ok(b"d".to_vec()));
    for fd in [r, w, rw] {
        p.close(fd)?;
        check_eq!(p.read(fd, 1)?, Err(EBADF));
    }
    Ok(())
}

fn read_only_opens_are_no_writers(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let first = p.open(O_RDONLY)?;
    let second = p.open(O_RDONLY)?;
    check_eq!(p.read(first, 1)?, Ok(vec![]));
    p.close(second)?;
    check_eq!(p.read(first, 1)?, Ok(vec![]));
    Ok(())
}

fn write_only_opens_are_writers(cx: &mut Ctx) -> Outcome {
    writer_for(cx, O_WRONLY)
}

fn read_write_opens_are_writers(cx: &mut Ctx) -> Outcome {
    writer_for(cx, O_RDWR)
}

fn writer_for(cx: &mut Ctx, flags: i32) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    let w = p.open(flags)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(w)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn data_outlives_every_descriptor(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY)?;
    check_eq!(p.write(w, b"left behind")?, Ok(11));
    p.exit()?;
    let (mut q, r) = cx.opened(O_RDONLY)?;
    check_eq!(q.read(r, 64)?, Ok(b"left behind".to_vec()));
    check_eq!(q.read(r, 64)?, Ok(vec![]));
    Ok(())
}

fn each_open_is_its_own(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let r = p.open(O_RDONLY | O_NONBLOCK)?;
    let writers: Vec<_> = (0..20).map(|_| p.open(O_WRONLY)).collect::<Outcome<_>>()?;
    for w in writers {
        check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
        p.close(w)?;
    }
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn a_dup_counts_once(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let w = p.open(O_WRONLY)?;
    let dup = p.dup(w)?;
    p.close(w)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK), "with the duplicate open");
    check_eq!(p.write(dup, b"x")?, Ok(1));
    check_eq!(p.read(r, 1)?, Ok(b"x".to_vec()));
    p.close(dup)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]), "with both closed");
    Ok(())
}

fn dup2_closes_what_it_replaces(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let w = p.open(O_WRONLY)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.dup2(r, w)?;
    check_eq!(p.read(w, 1)?, Ok(vec![]));
    Ok(())
}

fn a_forked_descriptor_counts_once(cx: &mut Ctx) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let (mut parent, w) = cx.opened(O_WRONLY)?;
    let mut child = parent.fork()?;
    parent.close(w)?;
    check_eq!(
        reader.read(r, 1)?,
        Err(EWOULDBLOCK),
        "with the child's descriptor open"
    );
    check_eq!(child.write(w, b"x")?, Ok(1));
    check_eq!(reader.read(r, 1)?, Ok(b"x".to_vec()));
    child.close(w)?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]), "with both closed");
    Ok(())
}

fn exit_closes(cx: &mut Ctx) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let (mut parent, _w) = cx.opened(O_WRONLY)?;
    let child = parent.fork()?;
    parent.exit()?;
    check_eq!(reader.read(r, 1)?, Err(EWOULDBLOCK), "with the child alive");
    child.exit()?;
    check_eq!(reader.read(r, 1)?, Ok(vec![]), "with both gone");
    Ok(())
}

fn sigkill_closes(cx: &mut Ctx) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let data = pattern(64);
    check_eq!(writer.write(w, &data)?, Ok(64));
    writer.start(crate::call::Call::write(w, b"more"))?;
    cx.asleep(&writer, crate::host::ECHOWR)?;
    writer.killed()?;
    check_eq!(reader.read(r, 64)?, Ok(data));
    check_eq!(reader.read(r, 1)?, Ok(vec![]));
    Ok(())
}

/// A test cannot open the device four billion times, so this case finds the counter in the driver's
/// memory and sets it.
fn no_more_writers_than_can_be_counted(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    let counter = find_counter(cx)?;
    let r = p.open(O_RDONLY | O_NONBLOCK)?;
    let mut writers = vec![p.open(O_WRONLY)?, p.open(O_RDWR)?];

    cx.poke(counter, u32::MAX - 1)?;
    let last = p.open(O_WRONLY)?;
    check_eq!(p.try_open(O_WRONLY)?, Err(EBUSY));
    check_eq!(p.try_open(O_RDWR)?, Err(EBUSY));
    let another_reader = p.open(O_RDONLY)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(last)?;
    writers.push(p.open(O_RDWR)?);
    check_eq!(
        p.try_open(O_WRONLY)?,
        Err(EBUSY),
        "after one closed and one opened"
    );

    cx.poke(counter, writers.len() as u32)?;
    for w in writers {
        check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
        p.close(w)?;
    }
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    check_eq!(p.read(another_reader, 1)?, Ok(vec![]));
    Ok(())
}

/// The address of the word that counts the writers. It changes with each open and close, and there
/// is an end of file when it is 0. No descriptor is open afterwards.
fn find_counter(cx: &mut Ctx) -> Outcome<u64> {
    let mut p = cx.process()?;
    let mut candidates = words_equal_to(&cx.blocks()?, 0);
    let mut keep = |cx: &mut Ctx, count: u32| -> Outcome {
        let words = words_equal_to(&cx.blocks()?, count);
        candidates.retain(|word| words.contains(word));
        Ok(())
    };
    let first = p.open(O_WRONLY)?;
    keep(cx, 1)?;
    p.open(O_RDWR)?;
    keep(cx, 2)?;
    let r = p.open(O_RDONLY | O_NONBLOCK)?;
    keep(cx, 2)?;
    p.open(O_WRONLY)?;
    keep(cx, 3)?;
    p.close(first)?;
    keep(cx, 2)?;
    for word in &candidates {
        cx.poke(*word, 0)?;
        let result = p.read(r, 1)?;
        cx.poke(*word, 2)?;
        if result == Ok(vec![]) {
            return Ok(*word);
        }
    }
    Err(Failure::new(alloc::format!(
        "no word of memory counts the writers; candidates: {candidates:x?}"
    )))
}

/// The addresses of the aligned 32-bit words that hold `value`.
fn words_equal_to(blocks: &[Block], value: u32) -> Vec<u64> {
    let mut found = Vec::new();
    for block in blocks {
        for (i, word) in block.bytes.chunks_exact(4).enumerate() {
            if word == value.to_ne_bytes() {
                found.push(block.address + 4 * i as u64);
            }
        }
    }
    found
}
