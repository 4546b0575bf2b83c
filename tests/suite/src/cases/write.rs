//! write(2)

use super::pattern;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::ECHOWR;
use crate::process::Process;
use crate::sys::Fd;
use alloc::vec;
use alloc::vec::Vec;

cases! { "write":
    until_full,
    zero_length,
    blocked_when_full_and_woken_by_a_read,
    more_than_the_buffer_holds,
    one_byte_of_room_at_a_time,
    blocked_writer_woken_by_clear,
    blocked_writer_woken_by_grow,
    blocked_writer_not_woken_by_readers_leaving,
    blocked_writer_interrupted_by_signal [Signals],
    blocked_writer_restarted_after_signal [Signals, Restart],
    short_count_after_signal [Signals],
    short_count_after_signal_with_restart [Signals],
    killed_while_blocked,
    killed_after_part_of_the_data,
    one_read_serves_many_blocked_writers,
    one_read_serves_two_blocked_writers,
}

/// A process with a full device, open for reading and writing.
fn full(cx: &mut Ctx) -> Outcome<(Process, Fd)> {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    Ok((p, rw))
}

fn until_full(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for (i, byte) in pattern(64).iter().enumerate() {
        check_eq!(p.room(rw)?, 64 - i as i32);
        check_eq!(p.write(rw, &[*byte])?, Ok(1));
    }
    check_eq!(p.room(rw)?, 0);
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn zero_length(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, &[])?, Ok(0), "empty");
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    check_eq!(p.write(rw, &[])?, Ok(0), "full, blocking");
    p.set_flags(rw, O_NONBLOCK)?;
    check_eq!(p.write(rw, &[])?, Ok(0), "full, non-blocking");
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn blocked_when_full_and_woken_by_a_read(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.start(Call::write(w, b"X"))?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 64);
    check_eq!(other.read(rw, 1)?, Ok(vec![0]));
    check_eq!(writer.finish_write()?, Ok(1));
    let mut want = pattern(64)[1..].to_vec();
    want.push(b'X');
    check_eq!(other.read(rw, 100)?, Ok(want));
    Ok(())
}

fn more_than_the_buffer_holds(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let data = pattern(200);
    writer.start(Call::write(w, &data))?;
    for part in data.chunks(64) {
        if part.len() == 64 {
            cx.asleep(&writer, ECHOWR)?;
            check_eq!(reader.held(r)?, 64);
        } else {
            check_eq!(writer.finish_write()?, Ok(200));
        }
        check_eq!(reader.read(r, 100)?, Ok(part.to_vec()));
    }
    Ok(())
}

fn one_byte_of_room_at_a_time(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let data = pattern(164);
    writer.start(Call::write(w, &data))?;
    let mut got = Vec::new();
    for _ in 0..100 {
        cx.asleep(&writer, ECHOWR)?;
        check_eq!(reader.held(r)?, 64);
        let bytes = reader.read(r, 1)?;
        check_eq!(bytes.as_ref().map(Vec::len), Ok(1));
        got.extend(bytes.unwrap_or_default());
    }
    check_eq!(writer.finish_write()?, Ok(164));
    got.extend(reader.read(r, 100)?.unwrap_or_default());
    check_eq!(got, data);
    Ok(())
}

fn blocked_writer_woken_by_clear(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.start(Call::write(w, b"fresh"))?;
    cx.asleep(&writer, ECHOWR)?;
    other.clear(rw)?;
    check_eq!(writer.finish_write()?, Ok(5));
    check_eq!(other.read(rw, 100)?, Ok(b"fresh".to_vec()));
    Ok(())
}

fn blocked_writer_woken_by_grow(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    other.resize(rw, 65)?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.held(rw)?, 65);
    other.resize(rw, 67)?;
    check_eq!(writer.finish_write()?, Ok(3));
    let mut want = pattern(64);
    want.extend(b"abc");
    check_eq!(other.read(rw, 100)?, Ok(want));
    Ok(())
}

/// Readers are not counted, so a writer without a reader waits for one.
fn blocked_writer_not_woken_by_readers_leaving(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    check_eq!(writer.write(w, &pattern(64))?, Ok(64));
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    reader.close(r)?;
    cx.asleep(&writer, ECHOWR)?;
    let r = reader.open(O_RDONLY)?;
    check_eq!(reader.read(r, 64)?, Ok(pattern(64)));
    check_eq!(writer.finish_write()?, Ok(3));
    Ok(())
}

fn blocked_writer_interrupted_by_signal(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.catch(SIGUSR1, false)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    writer.kill(SIGUSR1)?;
    check_eq!(writer.finish_write()?, Err(EINTR));
    check_eq!(writer.caught(SIGUSR1)?, 1);
    check_eq!(other.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn blocked_writer_restarted_after_signal(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.catch(SIGUSR1, true)?;
    writer.start(Call::write(w, b"abc"))?;
    cx.asleep(&writer, ECHOWR)?;
    writer.kill(SIGUSR1)?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(other.read(rw, 64)?, Ok(pattern(64)));
    check_eq!(writer.finish_write()?, Ok(3));
    check_eq!(writer.caught(SIGUSR1)?, 1);
    check_eq!(other.read(rw, 64)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn short_count_after_signal(cx: &mut Ctx) -> Outcome {
    short_count(cx, false)
}

/// A call that has moved bytes is not restarted, because it would write them twice.
fn short_count_after_signal_with_restart(cx: &mut Ctx) -> Outcome {
    short_count(cx, true)
}

fn short_count(cx: &mut Ctx, restart: bool) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    writer.catch(SIGUSR1, restart)?;
    let data = pattern(100);
    writer.start(Call::write(w, &data))?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(reader.read(r, 10)?, Ok(data[..10].to_vec()));
    cx.asleep(&writer, ECHOWR)?;
    writer.kill(SIGUSR1)?;
    check_eq!(writer.finish_write()?, Ok(74));
    check_eq!(reader.read(r, 100)?, Ok(data[10..74].to_vec()));
    check_eq!(writer.caught(SIGUSR1)?, 1);
    Ok(())
}

fn killed_while_blocked(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = full(cx)?;
    let (mut victim, w) = cx.opened(O_WRONLY)?;
    let (mut survivor, w2) = cx.opened(O_WRONLY)?;
    victim.start(Call::write(w, b"lost"))?;
    cx.asleep(&victim, ECHOWR)?;
    survivor.start(Call::write(w2, b"kept"))?;
    cx.asleep(&survivor, ECHOWR)?;
    victim.killed()?;
    cx.asleep(&survivor, ECHOWR)?;
    check_eq!(other.read(rw, 64)?, Ok(pattern(64)));
    check_eq!(survivor.finish_write()?, Ok(4));
    check_eq!(other.read(rw, 64)?, Ok(b"kept".to_vec()));
    Ok(())
}

fn killed_after_part_of_the_data(cx: &mut Ctx) -> Outcome {
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let (mut victim, w) = cx.opened(O_WRONLY)?;
    victim.start(Call::write(w, &pattern(100)))?;
    cx.asleep(&victim, ECHOWR)?;
    victim.killed()?;
    check_eq!(reader.read(r, 100)?, Ok(pattern(64)));
    check_eq!(reader.read(r, 100)?, Ok(vec![]));
    Ok(())
}

/// The writer that runs first leaves room. Only the single read can have woken the other.
fn one_read_serves_two_blocked_writers(cx: &mut Ctx) -> Outcome {
    one_read_serves(cx, 2)
}

fn one_read_serves_many_blocked_writers(cx: &mut Ctx) -> Outcome {
    one_read_serves(cx, 16)
}

fn one_read_serves(cx: &mut Ctx, n: u8) -> Outcome {
    let (mut reader, rw) = full(cx)?;
    let mut writers = vec![];
    for i in 0..n {
        let (mut writer, w) = cx.opened(O_WRONLY)?;
        writer.start(Call::write(w, &[i]))?;
        cx.asleep(&writer, ECHOWR)?;
        writers.push(writer);
    }
    check_eq!(reader.read(rw, n.into())?, Ok(pattern(n.into())));
    for writer in &mut writers {
        check_eq!(writer.finish_write()?, Ok(1));
    }
    check_eq!(
        reader.read(rw, 64 - usize::from(n))?,
        Ok(pattern(64)[n.into()..].to_vec())
    );
    let mut got = reader.read(rw, 64)?.unwrap_or_default();
    got.sort();
    check_eq!(got, pattern(n.into()));
    Ok(())
}
