//! User memory that is out of reach. The call fails with EFAULT, and no byte is lost or duplicated.

use super::pattern;
use crate::abi::*;
use crate::call::{Call, From, Into};
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHORD, ECHOWR};
use crate::process::Process;
use crate::sys::{Fd, Reach};
use alloc::vec;
use alloc::vec::Vec;

cases! { "efault":
    read_at_every_byte [Faults],
    read_of_wrapped_data_at_every_byte [Faults],
    short_read_accesses_only_the_bytes_moved [Faults],
    readv_at_every_byte [Faults],
    read_with_the_head_out_of_reach [Faults],
    end_of_file_needs_no_memory [Faults],
    write_at_every_byte [Faults],
    write_of_wrapped_room_at_every_byte [Faults],
    write_at_every_byte_when_only_part_fits [Faults],
    writev_at_every_byte [Faults],
    write_with_the_head_out_of_reach [Faults],
    write_that_slept_keeps_the_bytes_moved [Faults],
    blocked_reader_fails_when_data_arrives [Faults],
    others_stay_asleep [Faults],
    zero_length_accesses_nothing [Faults],
    ioctl_arguments [Faults, RawIoctl],
}

/// Fills the device with `held` bytes (1 to 64), and returns them. The first is at place `start` of
/// the ring (0 to 63).
fn arrange(p: &mut Process, rw: Fd, start: usize, held: usize) -> Outcome<Vec<u8>> {
    p.clear(rw)?;
    // The ring is never empty in between, because an implementation may restart an empty ring at
    // place 0.
    check_eq!(p.write(rw, &vec![b'<'; start])?, Ok(start));
    let data = pattern(held);
    if start == 0 {
        check_eq!(p.write(rw, &data)?, Ok(held));
        return Ok(data);
    }
    check_eq!(p.write(rw, &data[..1])?, Ok(1));
    check_eq!(p.read(rw, start)?, Ok(vec![b'<'; start]));
    check_eq!(p.write(rw, &data[1..])?, Ok(held - 1));
    Ok(data)
}

fn read_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for held in [1, 10, 64] {
        let data = arrange(&mut p, rw, 0, held)?;
        for good in 0..held {
            check_eq!(
                p.read_into(rw, Into::first(good, held))?,
                Err(EFAULT),
                "{held} held, {good} within reach"
            );
            check_eq!(p.held(rw)?, held as i32, "{held} held, {good} within reach");
        }
        check_eq!(p.read_into(rw, Into::first(held, held))?, Ok(data));
    }
    Ok(())
}

fn read_of_wrapped_data_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for start in [1, 39, 63] {
        let data = arrange(&mut p, rw, start, 64)?;
        for good in 0..64 {
            check_eq!(
                p.read_into(rw, Into::first(good, 64))?,
                Err(EFAULT),
                "from place {start}, {good} within reach"
            );
            check_eq!(p.held(rw)?, 64, "from place {start}, {good} within reach");
        }
        check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));
        check_eq!(p.read(rw, 100)?, Ok(data), "from place {start}");
    }
    Ok(())
}

fn short_read_accesses_only_the_bytes_moved(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = arrange(&mut p, rw, 60, 10)?;
    for good in 0..10 {
        check_eq!(
            p.read_into(rw, Into::first(good, 2000))?,
            Err(EFAULT),
            "{good} within reach"
        );
    }
    check_eq!(p.read_into(rw, Into::first(10, 2000))?, Ok(data));
    Ok(())
}

fn readv_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = arrange(&mut p, rw, 60, 12)?;
    let parts = |bad: usize, good: usize| -> Vec<Into> {
        (0..3)
            .map(|i| {
                if i == bad {
                    Into::first(good, 4)
                } else {
                    Into::all(4)
                }
            })
            .collect()
    };
    for bad in 0..3 {
        for good in 0..4 {
            check_eq!(
                p.readv(rw, parts(bad, good))?,
                Err(EFAULT),
                "segment {bad}, {good} within reach"
            );
            check_eq!(p.held(rw)?, 12, "segment {bad}, {good} within reach");
        }
    }
    check_eq!(p.readv(rw, parts(2, 4))?, Ok(data));
    Ok(())
}

fn read_with_the_head_out_of_reach(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = arrange(&mut p, rw, 39, 64)?;
    for good in [0, 1, 32, 63] {
        check_eq!(
            p.read_into(
                rw,
                Into {
                    len: 64,
                    reach: Reach::Last(good)
                }
            )?,
            Err(EFAULT),
            "{good} within reach"
        );
    }
    check_eq!(p.read(rw, 100)?, Ok(data));
    Ok(())
}

fn end_of_file_needs_no_memory(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    check_eq!(p.read_into(r, Into::first(0, 10))?, Ok(vec![]));
    Ok(())
}

/// Writes `data` with each shorter part of it within reach. The device must not change.
fn refuse_every_part(p: &mut Process, rw: Fd, data: &[u8]) -> Outcome {
    let held = p.held(rw)?;
    for good in 0..data.len() {
        check_eq!(
            p.write_from(rw, From::first(good, data))?,
            Err(EFAULT),
            "{good} within reach"
        );
        check_eq!(p.held(rw)?, held, "{good} within reach");
    }
    Ok(())
}

fn write_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for (held, len) in [(1, 1), (1, 10), (3, 61), (63, 1)] {
        let mut want = arrange(&mut p, rw, 0, held)?;
        let data = pattern(len);
        refuse_every_part(&mut p, rw, &data)?;
        check_eq!(p.write_from(rw, From::first(len, &data))?, Ok(len));
        want.extend(data);
        check_eq!(p.read(rw, 100)?, Ok(want));
    }
    Ok(())
}

fn write_of_wrapped_room_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for start in [1, 39, 62] {
        let mut want = arrange(&mut p, rw, start, 1)?;
        let data = pattern(63);
        refuse_every_part(&mut p, rw, &data)?;
        check_eq!(p.write(rw, &data)?, Ok(63));
        want.extend(data);
        check_eq!(p.read(rw, 100)?, Ok(want), "from place {start}");
    }
    Ok(())
}

/// With room for 4 of 10 bytes, only those 4 are accessed.
fn write_at_every_byte_when_only_part_fits(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = pattern(10);
    for good in 0..=10 {
        let mut want = arrange(&mut p, rw, 30, 60)?;
        let moved = if good < 4 { 0 } else { 4 };
        let result = if good < 4 { Err(EFAULT) } else { Ok(4) };
        check_eq!(
            p.write_from(rw, From::first(good, &data))?,
            result,
            "{good} within reach"
        );
        want.extend(&data[..moved]);
        check_eq!(p.read(rw, 100)?, Ok(want), "{good} within reach");
    }
    Ok(())
}

fn writev_at_every_byte(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let mut want = arrange(&mut p, rw, 50, 5)?;
    let data = pattern(12);
    let parts = |bad: usize, good: usize| -> Vec<From> {
        let part = |(i, part): (usize, &[u8])| {
            if i == bad {
                From::first(good, part)
            } else {
                From::all(part)
            }
        };
        data.chunks(4).enumerate().map(part).collect()
    };
    for bad in 0..3 {
        for good in 0..4 {
            check_eq!(
                p.writev(rw, parts(bad, good))?,
                Err(EFAULT),
                "segment {bad}, {good} within reach"
            );
            check_eq!(p.held(rw)?, 5, "segment {bad}, {good} within reach");
        }
    }
    check_eq!(p.writev(rw, parts(0, 4))?, Ok(12));
    want.extend(&data);
    check_eq!(p.read(rw, 100)?, Ok(want));
    Ok(())
}

fn write_with_the_head_out_of_reach(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = arrange(&mut p, rw, 50, 5)?;
    for good in [0, 1, 19] {
        let from = From {
            bytes: pattern(20),
            reach: Reach::Last(good),
        };
        check_eq!(p.write_from(rw, from)?, Err(EFAULT), "{good} within reach");
    }
    check_eq!(p.read(rw, 100)?, Ok(data));
    Ok(())
}

fn write_that_slept_keeps_the_bytes_moved(cx: &mut Ctx) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let data = pattern(100);
    for good in 64..100 {
        writer.start(Call::Write {
            fd: w,
            from: From::first(good, &data),
        })?;
        cx.asleep(&writer, ECHOWR)?;
        check_eq!(
            reader.read(r, 64)?,
            Ok(data[..64].to_vec()),
            "{good} within reach"
        );
        check_eq!(writer.finish_write()?, Err(EFAULT), "{good} within reach");
        check_eq!(reader.read(r, 64)?, Err(EWOULDBLOCK), "{good} within reach");
    }
    check_eq!(writer.write(w, b"fine")?, Ok(4));
    check_eq!(reader.read(r, 64)?, Ok(b"fine".to_vec()));
    Ok(())
}

fn blocked_reader_fails_when_data_arrives(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::Read {
        fd: r,
        into: Into::first(2, 10),
    })?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.finish_read()?, Err(EFAULT));
    check_eq!(reader.read(r, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn others_stay_asleep(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 100))?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(
        other.write_from(rw, From::first(9, &pattern(10)))?,
        Err(EFAULT)
    );
    cx.asleep(&reader, ECHORD)?;
    check_eq!(other.write(rw, b"abc")?, Ok(3));
    check_eq!(reader.finish_read()?, Ok(b"abc".to_vec()));

    check_eq!(other.write(rw, &pattern(64))?, Ok(64));
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.read_into(rw, Into::first(9, 10))?, Err(EFAULT));
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.read(rw, 64)?, Ok(pattern(64)));
    check_eq!(writer.finish_write()?, Ok(3));
    Ok(())
}

fn zero_length_accesses_nothing(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.read_into(rw, Into::first(0, 0))?, Ok(vec![]));
    check_eq!(p.write_from(rw, From::first(0, &[]))?, Ok(0));
    Ok(())
}

fn ioctl_arguments(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    for (request, len) in [
        (FIONREAD, 4),
        (FIONWRITE, 4),
        (FIONBIO, 4),
        (FIOASYNC, 4),
        (ECHODEV_GBUFSIZE, 8),
        (ECHODEV_SBUFSIZE, 8),
    ] {
        for good in 0..len {
            let arg = From::first(good, &[0; 8][..len]);
            check_eq!(
                p.ioctl(rw, request, arg)?,
                Err(EFAULT),
                "{request:#x}, {good} within reach"
            );
        }
    }
    check_eq!(p.size(rw)?, 64);
    check_eq!(p.read(rw, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}
