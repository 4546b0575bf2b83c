//! A buffer larger than memory.

use super::expect;
use crate::freebsd::sysctl;
use alloc::format;
use suite::abi::{O_NONBLOCK, O_RDWR};
use suite::check::{Failure, Outcome};
use suite::ctx::Ctx;
use suite::errno::{EINVAL, ENOMEM};

/// A resize beyond the available memory fails at once, whatever the limit is. Nothing is lost, and
/// no process is killed for lack of memory.
pub fn resize_to_more_than_there_is(cx: &mut Ctx<'_>) -> Outcome {
    let memory = sysctl::number("hw.physmem")
        .map_err(|error| Failure::new(format!("hw.physmem: {error}")))?;
    cx.unload()?;
    cx.set_tunable("hw.echodev.maxsize", "1T")?;
    cx.load()?;
    let (mut bystander, r) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut process, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    expect("write", process.write(rw, b"0123456789")?, Ok(10))?;
    for size in [memory, memory * 3 / 4, 4 * memory, 1 << 39, (1 << 40) - 1] {
        let before = process.size(rw)?;
        let resized = process.try_resize(rw, size)?;
        // Three quarters of the memory may be free.
        let may_succeed = size < memory;
        match resized {
            Err(EINVAL | ENOMEM) => expect("the size", bystander.size(r)?, before)?,
            Ok(()) if may_succeed => process.resize(rw, 64)?,
            other => return Err(Failure::new(format!("resize to {size}: {other:?}"))),
        }
        expect("held", bystander.held(r)?, 10)?;
    }
    expect("read", bystander.read(r, 64)?, Ok(b"0123456789".to_vec()))?;
    process.resize(rw, 128)?;
    bystander.exit()?;
    process.exit()
}
