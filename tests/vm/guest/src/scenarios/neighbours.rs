//! The module next to another one.

use super::{expect, watch};
use crate::agent::DEVICE;
use crate::freebsd::files::{self, Iovec};
use crate::freebsd::{kernel, wait};
use crate::modules::{COPY, NEIGHBOUR, NEIGHBOUR_DEVICE, TESTED};
use alloc::format;
use alloc::vec::Vec;
use suite::abi::{EVFILT_READ, O_NONBLOCK, O_RDWR};
use suite::check::{Failure, Outcome};
use suite::ctx::Ctx;
use suite::errno::{EEXIST, ENOEXEC, Errno};
use suite::sys::{Fd, Result};

fn must<T>(what: &str, result: Result<T>) -> Outcome<T> {
    result.map_err(|error: Errno| Failure::new(format!("{what}: {error}")))
}

/// Writes to a device, and reads the same bytes.
fn works(fd: Fd) -> Outcome {
    must("write", put(fd, b"0123456789"))?;
    expect("read", must("read", get(fd))?, b"0123456789".to_vec())
}

fn put(fd: Fd, bytes: &[u8]) -> Result<usize> {
    files::write(
        fd,
        Iovec {
            base: bytes.as_ptr() as usize,
            len: bytes.len(),
        },
    )
}

fn get(fd: Fd) -> Result<Vec<u8>> {
    let mut bytes = [0; 64];
    // SAFETY: the bytes of an array that nothing else uses.
    let n = unsafe {
        files::read(
            fd,
            Iovec {
                base: bytes.as_mut_ptr() as usize,
                len: bytes.len(),
            },
        )
    }?;
    Ok(bytes[..n].to_vec())
}

/// Two modules with a device each are used at once, and unloaded in either order.
pub fn together(cx: &mut Ctx<'_>) -> Outcome {
    for echo_goes_first in [true, false] {
        let id = must("kldload of the other module", kernel::kldload(NEIGHBOUR))?;
        let echo = must("open", files::open(DEVICE, O_RDWR | O_NONBLOCK))?;
        let other = must(
            "open of the other device",
            files::open(NEIGHBOUR_DEVICE, O_RDWR | O_NONBLOCK),
        )?;
        let kq = must("kqueue", wait::kqueue())?;
        must(
            "kevent",
            wait::kevent(
                kq,
                &[echo, other].map(|fd| watch(fd, EVFILT_READ, 0)),
                0,
                Some(0),
            ),
        )?;
        must("write", put(echo, b"abc"))?;
        must("write to the other device", put(other, b"defgh"))?;
        let events = must("kevent", wait::kevent(kq, &[], 9, Some(0)))?;
        let mut ready: Vec<(u64, i64)> = events
            .iter()
            .map(|event| (event.ident, event.data))
            .collect();
        ready.sort();
        expect(
            "events",
            ready,
            [(echo as u64, 3), (other as u64, 5)].into(),
        )?;
        expect("read", must("read", get(echo))?, b"abc".to_vec())?;
        expect(
            "read of the other device",
            must("read", get(other))?,
            b"defgh".to_vec(),
        )?;
        // The other module cannot be unloaded while a process has an event on it.
        must("close", files::close(kq))?;

        if echo_goes_first {
            cx.unload()?;
            works(other)?;
        }
        must("close", files::close(other))?;
        must("kldunload of the other module", kernel::kldunload(id))?;
        if echo_goes_first {
            cx.load()?;
        } else {
            works(echo)?;
        }
        // The descriptor may be that of a device that is gone.
        let _ = files::close(echo);
    }
    Ok(())
}

/// The module can be loaded only once, also from another file. The first one still works.
pub fn twice(cx: &mut Ctx<'_>) -> Outcome {
    let fd = must("open", files::open(DEVICE, O_RDWR | O_NONBLOCK))?;
    expect(
        "kldload of the same file",
        kernel::kldload(TESTED),
        Err(EEXIST),
    )?;
    for _ in 0..3 {
        match kernel::kldload(COPY) {
            Err(EEXIST | ENOEXEC) => works(fd)?,
            other => return Err(Failure::new(format!("kldload of a copy: {other:?}"))),
        }
    }
    cx.unload()?;
    // The descriptor is that of a device that is gone.
    let _ = files::close(fd);
    let id = must("kldload of the copy alone", kernel::kldload(COPY))?;
    let fd = must("open", files::open(DEVICE, O_RDWR | O_NONBLOCK))?;
    works(fd)?;
    must("close", files::close(fd))?;
    must("kldunload of the copy", kernel::kldunload(id))?;
    cx.load()
}
