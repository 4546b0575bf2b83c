//! Processes that are stopped, as by Ctrl-Z, while they sleep in the device.

use super::{close_dead, expect};
use alloc::format;
use alloc::vec::Vec;
use suite::abi::{O_RDONLY, O_RDWR, O_WRONLY};
use suite::call::Call;
use suite::check::{Failure, Outcome};
use suite::ctx::{Ctx, SIZE};
use suite::errno::{EIO, ENXIO};
use suite::host::{ECHORD, ECHOWR, Wmesg};
use suite::process::Process;
use suite::sys::Fd;

const SIGSTOP: i32 = 17;
const SIGTSTP: i32 = 18;
const SIGCONT: i32 = 19;

/// A process that was stopped while it slept in `call`.
fn stopped(
    cx: &mut Ctx<'_>,
    flags: i32,
    call: fn(Fd) -> Call,
    wmesg: Wmesg,
) -> Outcome<(Process, Fd)> {
    let (mut process, fd) = cx.opened(flags)?;
    process.start(call(fd))?;
    cx.asleep(&process, wmesg)?;
    process.kill(SIGSTOP)?;
    Ok((process, fd))
}

/// A stopped process does not delay an unload. Its call fails when it is continued.
pub fn does_not_hold_up_unload(cx: &mut Ctx<'_>) -> Outcome {
    let (mut owner, w) = cx.opened(O_WRONLY)?;
    owner.resize(w, 0)?;
    let reader = stopped(cx, O_RDONLY, |fd| Call::read(fd, 10), ECHORD)?;
    let writer = stopped(cx, O_RDWR, |fd| Call::write(fd, b"abc"), ECHOWR)?;
    cx.unload()?;
    let ((mut reader, r), (mut writer, rw)) = (reader, writer);
    reader.kill(SIGCONT)?;
    writer.kill(SIGCONT)?;
    let (read, written) = (
        reader.finish_read()?.map(drop),
        writer.finish_write()?.map(drop),
    );
    for (call, end) in [("read", read), ("write", written)] {
        if !matches!(end, Err(ENXIO | EIO)) {
            return Err(Failure::new(format!(
                "{call}: expected ENXIO or EIO, got {end:?}"
            )));
        }
    }
    close_dead(&mut reader, r)?;
    close_dead(&mut writer, rw)?;
    reader.exit()?;
    writer.exit()?;
    owner.exit()
}

/// A stopped process does not take a wake-up that another one could use.
pub fn does_not_keep_a_wakeup(cx: &mut Ctx<'_>) -> Outcome {
    let (mut owner, w) = cx.opened(O_WRONLY)?;
    let (mut first, _) = stopped(cx, O_RDONLY, |fd| Call::read(fd, 1), ECHORD)?;
    let (mut second, r) = cx.opened(O_RDONLY)?;
    second.start(Call::read(r, 1))?;
    cx.asleep(&second, ECHORD)?;
    expect("write", owner.write(w, b"x")?, Ok(1))?;
    expect(
        "the reader that was not stopped",
        second.finish_read()?,
        Ok(b"x".to_vec()),
    )?;
    first.kill(SIGCONT)?;
    expect("write", owner.write(w, b"y")?, Ok(1))?;
    expect(
        "the reader that was stopped",
        first.finish_read()?,
        Ok(b"y".to_vec()),
    )?;
    first.exit()?;
    second.exit()?;
    owner.exit()
}

/// A write is stopped while it waits for room, after a part of its data. It returns the number of
/// bytes written, and no byte is lost or duplicated.
pub fn write_is_short(cx: &mut Ctx<'_>) -> Outcome {
    let bytes: Vec<u8> = (0..100).collect();
    for signal in [SIGSTOP, SIGTSTP] {
        let (mut reader, r) = cx.opened(O_RDONLY)?;
        let (mut writer, w) = cx.opened(O_WRONLY)?;
        writer.start(Call::write(w, &bytes))?;
        cx.asleep(&writer, ECHOWR)?;
        writer.kill(signal)?;
        // Now there is room, which a stopped process does not use.
        expect("read", reader.read(r, 10)?, Ok(bytes[..10].to_vec()))?;
        expect("held while stopped", reader.held(r)?, 54)?;
        writer.kill(SIGCONT)?;
        expect(
            "the write that was stopped",
            writer.finish_write()?,
            Ok(SIZE),
        )?;
        expect(
            "the rest of the write",
            writer.write(w, &bytes[SIZE..SIZE + 10])?,
            Ok(10),
        )?;
        expect(
            "read",
            reader.read(r, 100)?,
            Ok(bytes[10..SIZE + 10].to_vec()),
        )?;
        writer.exit()?;
        reader.exit()?;
    }
    Ok(())
}
