//! read(2)

use super::pattern;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::ECHORD;
use crate::sys::Disposition;
use alloc::vec;
use alloc::vec::Vec;

cases! { "read":
    short_read,
    takes_at_most_the_requested_length,
    zero_length,
    blocked_reader_woken_by_data,
    blocked_reader_does_not_wait_for_all,
    blocked_reader_interrupted_by_signal [Signals],
    blocked_reader_restarted_after_signal [Signals, Restart],
    blocked_reader_interrupted_then_reads_again [Signals],
    blocked_reader_not_woken_by_ignored_signal [Signals],
    blocked_reader_ended_by_signal [Signals],
    killed_while_blocked,
    one_write_serves_two_blocked_readers,
    one_byte_each_for_many_blocked_readers,
    blocked_reader_not_woken_by_clear_or_resize,
    across_the_edge_of_the_ring,
}

fn short_read(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"hello")?, Ok(5));
    check_eq!(p.read(rw, 64)?, Ok(b"hello".to_vec()));
    check_eq!(p.held(rw)?, 0);
    Ok(())
}

fn takes_at_most_the_requested_length(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    for i in 0..64 {
        check_eq!(p.held(rw)?, 64 - i);
        check_eq!(p.read(rw, 1)?, Ok(vec![i as u8]));
    }
    check_eq!(p.read(rw, 1)?, Err(EWOULDBLOCK));
    Ok(())
}

fn zero_length(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.read(rw, 0)?, Ok(vec![]), "empty, blocking, with a writer");
    p.set_flags(rw, O_NONBLOCK)?;
    check_eq!(p.read(rw, 0)?, Ok(vec![]), "empty, non-blocking");
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(p.read(rw, 0)?, Ok(vec![]), "with data");
    check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn blocked_reader_woken_by_data(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.finish_read()?, Ok(b"abc".to_vec()));
    // The same again, because the first wake-up must leave no state behind.
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"de")?, Ok(2));
    check_eq!(reader.finish_read()?, Ok(b"de".to_vec()));
    Ok(())
}

fn blocked_reader_does_not_wait_for_all(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 1000))?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"x")?, Ok(1));
    check_eq!(reader.finish_read()?, Ok(b"x".to_vec()));
    Ok(())
}

fn blocked_reader_interrupted_by_signal(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    p.catch(SIGUSR1, false)?;
    p.start(Call::read(rw, 10))?;
    cx.asleep(&p, ECHORD)?;
    p.kill(SIGUSR1)?;
    check_eq!(p.finish_read()?, Err(EINTR));
    check_eq!(p.caught(SIGUSR1)?, 1);
    Ok(())
}

fn blocked_reader_restarted_after_signal(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.catch(SIGUSR1, true)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    reader.kill(SIGUSR1)?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"after")?, Ok(5));
    check_eq!(reader.finish_read()?, Ok(b"after".to_vec()));
    check_eq!(reader.caught(SIGUSR1)?, 1);
    Ok(())
}

fn blocked_reader_interrupted_then_reads_again(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.catch(SIGUSR1, false)?;
    for n in 1..=3 {
        reader.start(Call::read(r, 10))?;
        cx.asleep(&reader, ECHORD)?;
        reader.kill(SIGUSR1)?;
        check_eq!(reader.finish_read()?, Err(EINTR));
        check_eq!(reader.caught(SIGUSR1)?, n);
    }
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.read(r, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn blocked_reader_not_woken_by_ignored_signal(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.sigaction(SIGUSR1, Disposition::Ignore)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    reader.kill(SIGUSR1)?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.finish_read()?, Ok(b"abc".to_vec()));
    Ok(())
}

fn blocked_reader_ended_by_signal(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.sigaction(SIGUSR1, Disposition::Default)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    reader.kill(SIGUSR1)?;
    reader.died()?;
    check_eq!(other.write(rw, b"abc")?, Ok(3));
    check_eq!(other.read(rw, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn killed_while_blocked(cx: &mut Ctx) -> Outcome {
    let (mut other, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut victim, r) = cx.opened(O_RDONLY)?;
    let (mut survivor, r2) = cx.opened(O_RDONLY)?;
    victim.start(Call::read(r, 10))?;
    cx.asleep(&victim, ECHORD)?;
    survivor.start(Call::read(r2, 10))?;
    cx.asleep(&survivor, ECHORD)?;
    victim.killed()?;
    cx.asleep(&survivor, ECHORD)?;
    check_eq!(other.write(rw, b"abc")?, Ok(3));
    check_eq!(survivor.finish_read()?, Ok(b"abc".to_vec()));
    check_eq!(other.read(rw, 10)?, Err(EWOULDBLOCK));
    check_eq!(other.room(rw)?, 64);
    Ok(())
}

/// The reader that runs first leaves a byte. Only the single write can have woken the other.
fn one_write_serves_two_blocked_readers(cx: &mut Ctx) -> Outcome {
    one_write_serves(cx, 2)
}

fn one_byte_each_for_many_blocked_readers(cx: &mut Ctx) -> Outcome {
    one_write_serves(cx, 16)
}

fn one_write_serves(cx: &mut Ctx, n: usize) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let mut readers = vec![];
    for _ in 0..n {
        let (mut reader, r) = cx.opened(O_RDONLY)?;
        reader.start(Call::read(r, 1))?;
        cx.asleep(&reader, ECHORD)?;
        readers.push(reader);
    }
    check_eq!(writer.write(w, &pattern(n))?, Ok(n));
    let mut got = vec![];
    for reader in &mut readers {
        let bytes = reader.finish_read()?;
        check_eq!(bytes.as_ref().map(Vec::len), Ok(1));
        got.extend(bytes.unwrap_or_default());
    }
    got.sort();
    check_eq!(got, pattern(n));
    Ok(())
}

fn blocked_reader_not_woken_by_clear_or_resize(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    writer.clear(w)?;
    writer.resize(w, 128)?;
    writer.resize(w, 0)?;
    writer.resize(w, 10)?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(w, b"abc")?, Ok(3));
    check_eq!(reader.finish_read()?, Ok(b"abc".to_vec()));
    Ok(())
}

fn across_the_edge_of_the_ring(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for step in 1..=63 {
        // One byte always remains, so that the data moves through every place of the buffer.
        let mut stays = b'<';
        check_eq!(p.write(rw, &[stays])?, Ok(1));
        for round in 0..70 {
            let mut want = vec![stays];
            want.extend((0..step).map(|i| (step + round + i) as u8));
            check_eq!(
                p.write(rw, &want[1..])?,
                Ok(step),
                "step {step}, round {round}"
            );
            check_eq!(
                p.read(rw, step)?,
                Ok(want[..step].to_vec()),
                "step {step}, round {round}"
            );
            stays = want[step];
        }
        p.clear(rw)?;
    }
    Ok(())
}
