//! Calls with bad pointers in one process, while another checks whether the device still works.

use super::expect;
use suite::abi::{O_NONBLOCK, O_RDWR, O_WRONLY};
use suite::call::{Call, From, Into};
use suite::check::Outcome;
use suite::ctx::Ctx;
use suite::errno::EFAULT;
use suite::host::ECHOWR;

/// A driver that ignores a failed copy spins in the kernel with its lock held. The call does not
/// end, the process cannot be killed, and no other process can use the device.
pub fn bad_pointers_then_sigkill(cx: &mut Ctx<'_>) -> Outcome {
    let (mut witness, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for good in [0, 1, 5, 63] {
        let (mut process, fd) = cx.opened(O_RDWR)?;
        expect(
            "write",
            process.write_from(fd, From::first(good, &[b'x'; 64]))?,
            Err(EFAULT),
        )?;
        expect(
            "write from the other process",
            witness.write(rw, b"0123456789")?,
            Ok(10),
        )?;
        expect(
            "read",
            process.read_into(fd, Into::first(good.min(9), 10))?,
            Err(EFAULT),
        )?;
        expect(
            "read in the other process",
            witness.read(rw, 64)?,
            Ok(b"0123456789".to_vec()),
        )?;

        // The second half is out of reach, but not before there is room for it.
        process.start(Call::Write {
            fd,
            from: From::first(64, &[b'y'; 128]),
        })?;
        cx.asleep(&process, ECHOWR)?;
        process.killed()?;
        expect(
            "the bytes of the killed process",
            witness.read(rw, 128)?,
            Ok([b'y'; 64].to_vec()),
        )?;
    }
    let (mut process, fd) = cx.opened(O_WRONLY)?;
    process.start(Call::Write {
        fd,
        from: From::first(64, &[b'z'; 128]),
    })?;
    cx.asleep(&process, ECHOWR)?;
    expect(
        "read in the other process",
        witness.read(rw, 10)?,
        Ok([b'z'; 10].to_vec()),
    )?;
    expect(
        "the write that woke to a bad pointer",
        process.finish_write()?,
        Err(EFAULT),
    )?;
    process.killed()
}
