//! End of file, its conditions and its notifications.

use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::ECHORD;
use alloc::vec;

cases! { "eof":
    without_any_writer,
    is_returned_again,
    only_after_the_data,
    only_after_the_last_of_two_writers,
    ends_when_a_writer_opens,
    not_for_a_reader_that_is_a_writer,
    blocked_reader_woken_by_last_close,
    blocked_reader_not_woken_by_first_of_two_closes,
    blocked_reader_woken_by_close_of_last_dup,
    blocked_reader_woken_by_exit_of_last_fork,
    blocked_reader_woken_by_sigkill_of_the_writer,
    every_blocked_reader_is_woken,
}

fn without_any_writer(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    check_eq!(p.read(r, 10)?, Ok(vec![]));
    Ok(())
}

fn is_returned_again(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    for flags in [0, O_NONBLOCK, 0] {
        p.set_flags(r, flags)?;
        check_eq!(p.read(r, 10)?, Ok(vec![]));
        check_eq!(p.read(r, 10)?, Ok(vec![]));
    }
    Ok(())
}

fn only_after_the_data(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let w = p.open(O_WRONLY)?;
    check_eq!(p.write(w, b"abcdef")?, Ok(6));
    p.close(w)?;
    check_eq!(p.read(r, 4)?, Ok(b"abcd".to_vec()));
    check_eq!(p.read(r, 4)?, Ok(b"ef".to_vec()));
    check_eq!(p.read(r, 4)?, Ok(vec![]));
    Ok(())
}

fn only_after_the_last_of_two_writers(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    let first = p.open(O_WRONLY)?;
    let second = p.open(O_RDWR)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK), "two writers");
    p.close(first)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK), "one writer");
    p.close(second)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]), "no writer");
    Ok(())
}

fn ends_when_a_writer_opens(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY | O_NONBLOCK)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    let w = p.open(O_WRONLY)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    p.close(w)?;
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    p.open(O_RDWR)?;
    check_eq!(p.read(r, 1)?, Err(EWOULDBLOCK));
    Ok(())
}

fn not_for_a_reader_that_is_a_writer(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    p.start(Call::read(rw, 1))?;
    cx.asleep(&p, ECHORD)?;
    p.killed()
}

fn blocked_reader_woken_by_last_close(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    writer.close(w)?;
    check_eq!(reader.finish_read()?, Ok(vec![]));
    Ok(())
}

fn blocked_reader_not_woken_by_first_of_two_closes(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let second = writer.open(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    writer.close(w)?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.write(second, b"still here")?, Ok(10));
    check_eq!(reader.finish_read()?, Ok(b"still here".to_vec()));
    Ok(())
}

fn blocked_reader_woken_by_close_of_last_dup(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let dup = writer.dup(w)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    writer.close(dup)?;
    cx.asleep(&reader, ECHORD)?;
    writer.close(w)?;
    check_eq!(reader.finish_read()?, Ok(vec![]));
    Ok(())
}

fn blocked_reader_woken_by_exit_of_last_fork(cx: &mut Ctx) -> Outcome {
    let (mut parent, _) = cx.opened(O_WRONLY)?;
    let child = parent.fork()?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    parent.exit()?;
    cx.asleep(&reader, ECHORD)?;
    child.exit()?;
    check_eq!(reader.finish_read()?, Ok(vec![]));
    Ok(())
}

fn blocked_reader_woken_by_sigkill_of_the_writer(cx: &mut Ctx) -> Outcome {
    // The only writer is itself blocked, in a read of the same device.
    let (mut writer, rw) = cx.opened(O_RDWR)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    writer.start(Call::read(rw, 1))?;
    cx.asleep(&writer, ECHORD)?;
    reader.start(Call::read(r, 10))?;
    cx.asleep(&reader, ECHORD)?;
    writer.killed()?;
    check_eq!(reader.finish_read()?, Ok(vec![]));
    Ok(())
}

fn every_blocked_reader_is_woken(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let mut readers = vec![];
    for _ in 0..8 {
        let (mut reader, r) = cx.opened(O_RDONLY)?;
        reader.start(Call::read(r, 10))?;
        cx.asleep(&reader, ECHORD)?;
        readers.push(reader);
    }
    writer.close(w)?;
    for reader in &mut readers {
        check_eq!(reader.finish_read()?, Ok(vec![]));
    }
    Ok(())
}
