//! ECHODEV_GBUFSIZE and ECHODEV_SBUFSIZE

use super::pattern;
use crate::abi::*;
use crate::bulk;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::{Ctx, MAX_SIZE};
use crate::errno::*;
use crate::host::ECHOWR;
use alloc::vec;

cases! { "resize":
    needs_write_access,
    to_the_same_size,
    grow_keeps_data_in_order_from_every_place,
    shrink_keeps_data_in_order_from_every_place,
    shrink_below_the_bytes_held,
    shrink_to_the_bytes_held,
    to_zero_while_empty_is_always_full,
    to_zero_while_holding,
    to_one,
    to_the_limit,
    above_the_limit,
    above_the_limit_allocates_nothing [MemoryStats],
    memory_follows_the_size [MemoryStats],
    up_and_down_with_data,
    larger_than_memory [Unload, Tunables],
}

fn needs_write_access(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    for size in [0, 1, 64, 65, MAX_SIZE + 1, u64::MAX] {
        check_eq!(p.try_resize(r, size)?, Err(EPERM), "size {size}");
        check_eq!(p.size(r)?, 64, "size {size}");
    }
    for flags in [O_WRONLY, O_RDWR, O_WRONLY | O_NONBLOCK] {
        let (mut p, w) = cx.opened(flags)?;
        check_eq!(p.try_resize(w, 100)?, Ok(()), "flags {flags}");
        check_eq!(p.size(w)?, 100, "flags {flags}");
        check_eq!(p.try_resize(w, 64)?, Ok(()), "flags {flags}");
        check_eq!(p.size(w)?, 64, "flags {flags}");
    }
    Ok(())
}

fn to_the_same_size(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for held in [0, 10, 64] {
        check_eq!(p.write(rw, &pattern(held))?, Ok(held));
        check_eq!(p.try_resize(rw, 64)?, Ok(()));
        check_eq!(p.size(rw)?, 64);
        check_eq!(p.held(rw)?, held as i32);
        if held != 0 {
            check_eq!(p.read(rw, 100)?, Ok(pattern(held)));
        }
    }
    Ok(())
}

/// For each place of the first byte in a device of 64 bytes, resizes it to `size` with `held`
/// bytes, and checks the bytes.
fn resize_from_every_place(cx: &mut Ctx, held: usize, size: u64) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = pattern(held);
    for place in 0..64 {
        check_eq!(p.write(rw, &vec![b'<'; place])?, Ok(place));
        check_eq!(p.write(rw, &data[..1])?, Ok(1));
        check_eq!(p.read(rw, place)?, Ok(vec![b'<'; place]));
        check_eq!(p.write(rw, &data[1..])?, Ok(held - 1));
        p.resize(rw, size)?;
        check_eq!(p.size(rw)?, size, "place {place}");
        check_eq!(p.held(rw)?, held as i32, "place {place}");
        // The new room must be in the right place.
        let more = pattern(size as usize - held);
        check_eq!(p.write(rw, &more)?, Ok(more.len()), "place {place}");
        check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK), "place {place}");
        check_eq!(p.read(rw, held)?, Ok(data.clone()), "place {place}");
        if !more.is_empty() {
            check_eq!(p.read(rw, 1000)?, Ok(more), "place {place}");
        }
        p.resize(rw, 64)?;
        p.clear(rw)?;
    }
    Ok(())
}

fn grow_keeps_data_in_order_from_every_place(cx: &mut Ctx) -> Outcome {
    resize_from_every_place(cx, 64, 65)?;
    resize_from_every_place(cx, 64, 200)?;
    resize_from_every_place(cx, 40, 100)
}

fn shrink_keeps_data_in_order_from_every_place(cx: &mut Ctx) -> Outcome {
    resize_from_every_place(cx, 40, 63)?;
    resize_from_every_place(cx, 40, 40)?;
    resize_from_every_place(cx, 1, 1)
}

fn shrink_below_the_bytes_held(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for held in 1..=64 {
        check_eq!(p.write(rw, &pattern(held))?, Ok(held));
        for size in 0..held {
            check_eq!(
                p.try_resize(rw, size as u64)?,
                Err(EBUSY),
                "{held} held, to {size}"
            );
        }
        check_eq!(p.size(rw)?, 64);
        check_eq!(p.read(rw, 100)?, Ok(pattern(held)));
    }
    Ok(())
}

fn shrink_to_the_bytes_held(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(10))?, Ok(10));
    p.resize(rw, 10)?;
    check_eq!(p.room(rw)?, 0);
    check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));
    check_eq!(p.poll(rw, POLLOUT)?, Ok(0));
    check_eq!(p.read(rw, 1)?, Ok(vec![0]));
    check_eq!(p.write(rw, b"xy")?, Ok(1));
    let mut want = pattern(10)[1..].to_vec();
    want.push(b'x');
    check_eq!(p.read(rw, 100)?, Ok(want));
    Ok(())
}

fn to_zero_while_empty_is_always_full(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    p.resize(rw, 0)?;
    check_eq!(p.size(rw)?, 0);
    check_eq!(p.held(rw)?, 0);
    check_eq!(p.room(rw)?, 0);
    check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));
    check_eq!(p.write(rw, b"")?, Ok(0));
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    check_eq!(p.poll(rw, POLLIN | POLLOUT)?, Ok(0));
    p.resize(rw, 0)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    p.clear(rw)?;
    cx.asleep(&writer, ECHOWR)?;
    p.resize(rw, 1)?;
    cx.asleep(&writer, ECHOWR)?;
    p.resize(rw, 8)?;
    check_eq!(writer.finish_write()?, Ok(3));
    check_eq!(p.read(rw, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn to_zero_while_holding(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, b"x")?, Ok(1));
    check_eq!(p.try_resize(rw, 0)?, Err(EBUSY));
    check_eq!(p.size(rw)?, 64);
    check_eq!(p.read(rw, 1)?, Ok(b"x".to_vec()));
    check_eq!(p.try_resize(rw, 0)?, Ok(()));
    Ok(())
}

fn to_one(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    p.resize(rw, 1)?;
    for i in 0..10 {
        check_eq!(p.write(rw, &[i, i])?, Ok(1));
        check_eq!(p.write(rw, &[i])?, Err(EWOULDBLOCK));
        check_eq!(p.read(rw, 10)?, Ok(vec![i]));
        check_eq!(p.read(rw, 10)?, Err(EWOULDBLOCK));
    }
    Ok(())
}

fn to_the_limit(cx: &mut Ctx) -> Outcome {
    let (mut p, w) = cx.opened(O_WRONLY | O_NONBLOCK)?;
    p.resize(w, MAX_SIZE)?;
    check_eq!(p.size(w)?, MAX_SIZE);
    check_eq!(i64::from(p.room(w)?), MAX_SIZE as i64);
    p.start(Call::Pour {
        fd: w,
        writer: 1,
        total: MAX_SIZE + 1,
        chunk: 1 << 20,
    })?;
    let poured = p.finish_pour()?;
    check_eq!(poured.bytes, MAX_SIZE);
    check_eq!(poured.end, Err(EWOULDBLOCK));
    p.close(w)?;
    let r = p.open(O_RDONLY)?;
    p.start(Call::Drain {
        fd: r,
        chunk: 1 << 20,
    })?;
    let drained = p.finish_drain()?;
    check_eq!(drained.end, Ok(()));
    check_eq!(drained.out_of_order, 0);
    for phase in 0..4 {
        check_eq!(
            drained.counts[usize::from(bulk::byte(1, phase))],
            MAX_SIZE / 4
        );
    }
    Ok(())
}

fn above_the_limit(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    for size in [
        MAX_SIZE + 1,
        1 << 32,
        1 << 63,
        (1 << 32) + 64,
        u64::MAX - 1,
        u64::MAX,
    ] {
        check_eq!(p.try_resize(rw, size)?, Err(EINVAL), "size {size}");
        check_eq!(p.size(rw)?, 64, "size {size}");
    }
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn above_the_limit_allocates_nothing(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let before = cx.memory()?;
    for size in [MAX_SIZE + 1, u64::MAX] {
        check_eq!(p.try_resize(rw, size)?, Err(EINVAL));
        check_eq!(cx.memory()?, before);
    }
    Ok(())
}

/// A buffer is freed when it is replaced by a larger or a smaller one.
fn memory_follows_the_size(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let before = cx.memory()?;
    for size in [100, 4096, 1 << 20] {
        p.resize(rw, size)?;
        let grown = cx.memory()?;
        check!(
            grown.bytes >= before.bytes - 64 + size,
            "{size} bytes of buffer in {grown:?}, {before:?} with 64"
        );
        check_eq!(grown.allocations, before.allocations);
    }
    for _ in 0..100 {
        p.resize(rw, 64)?;
        p.resize(rw, 128)?;
    }
    check_eq!(cx.memory()?.allocations, before.allocations);
    Ok(())
}

fn up_and_down_with_data(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let mut want = alloc::collections::VecDeque::new();
    let mut next = 0u8;
    for round in 0..300u64 {
        let size = want.len() as u64 + round * 7 % 90;
        p.resize(rw, size)?;
        for _ in 0..(size - want.len() as u64).min(round * 5 % 40) {
            check_eq!(p.write(rw, &[next])?, Ok(1), "round {round}");
            want.push_back(next);
            next = next.wrapping_add(1);
        }
        for byte in want.drain(..want.len().min(round as usize * 3 % 30)) {
            check_eq!(p.read(rw, 1)?, Ok(vec![byte]), "round {round}");
        }
    }
    Ok(())
}

/// It fails at once, whatever the limit is, and nothing is lost.
fn larger_than_memory(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    cx.set_tunable("hw.echodev.maxsize", "4611686018427387904")?;
    cx.load()?;
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(40))?, Ok(40));
    for size in [1 << 42, 1 << 46, 1 << 62, u64::MAX] {
        check_one_of!(p.try_resize(rw, size)?, [Err(ENOMEM), Err(EINVAL)]);
        check_eq!(
            (p.size(rw)?, p.held(rw)?, p.room(rw)?),
            (64, 40, 24),
            "size {size}"
        );
    }
    check_eq!(p.try_resize(rw, MAX_SIZE)?, Ok(()));
    check_eq!(p.read(rw, 100)?, Ok(pattern(40)));
    Ok(())
}
