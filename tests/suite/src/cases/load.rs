//! Load, with the first state, tunables and the device node. A load that fails or is repeated
//! leaves nothing.

use super::kqueue::kevent;
use super::pattern;
use crate::abi::*;
use crate::check::Outcome;
use crate::ctx::{Ctx, MAX_SIZE};
use crate::errno::*;
use crate::host::{MemoryStats, Node};
use alloc::vec;

cases! { "load":
    first_state,
    node_is_for_root_only [Node],
    tunable_bufsize [Unload, Tunables],
    tunable_maxsize [Unload, Tunables],
    tunable_bufsize_zero [Unload, Tunables],
    invalid_tunables [Unload, Tunables],
    name_taken [Unload, Squat],
    nothing_left_after_a_failed_load [Unload, Squat, MemoryStats],
    again_after_a_failed_load [Unload, Squat, Kqueue],
    a_thousand_times [Unload, Kqueue, MemoryStats],
}

fn first_state(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    check_eq!((p.size(r)?, p.held(r)?, p.room(r)?), (64, 0, 64));
    check_eq!(p.poll(r, POLLIN | POLLOUT)?, Ok(POLLIN | POLLOUT));
    check_eq!(p.read(r, 1)?, Ok(vec![]));
    Ok(())
}

fn node_is_for_root_only(cx: &mut Ctx) -> Outcome {
    check_eq!(
        cx.node()?,
        Node {
            uid: 0,
            gid: 0,
            mode: 0o600
        }
    );
    Ok(())
}

fn tunable_bufsize(cx: &mut Ctx) -> Outcome {
    for size in [1, 63, 128, 100_000] {
        cx.unload()?;
        cx.set_tunable("hw.echodev.bufsize", &alloc::format!("{size}"))?;
        cx.load()?;
        let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
        check_eq!(p.size(rw)?, size as u64);
        check_eq!(p.write(rw, &pattern(size + 1))?, Ok(size), "size {size}");
        check_eq!(p.read(rw, size + 1)?, Ok(pattern(size)), "size {size}");
        p.resize(rw, 64)?;
        p.exit()?;
    }
    Ok(())
}

fn tunable_maxsize(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    cx.set_tunable("hw.echodev.maxsize", "100")?;
    cx.load()?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.size(rw)?, 64);
    for size in [101, MAX_SIZE, u64::MAX] {
        check_eq!(p.try_resize(rw, size)?, Err(EINVAL), "size {size}");
    }
    check_eq!(p.try_resize(rw, 100)?, Ok(()));
    check_eq!(p.size(rw)?, 100);
    check_eq!(p.try_resize(rw, 101)?, Err(EINVAL));
    p.exit()?;

    cx.unload()?;
    cx.set_tunable("hw.echodev.maxsize", "16777217")?;
    cx.load()?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.try_resize(rw, MAX_SIZE + 1)?, Ok(()));
    check_eq!(p.try_resize(rw, MAX_SIZE + 2)?, Err(EINVAL));
    Ok(())
}

fn tunable_bufsize_zero(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    cx.set_tunable("hw.echodev.bufsize", "0")?;
    cx.load()?;
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!((p.size(rw)?, p.held(rw)?, p.room(rw)?), (0, 0, 0));
    check_eq!(p.write(rw, b"x")?, Err(EWOULDBLOCK));
    p.resize(rw, 8)?;
    check_eq!(p.write(rw, b"x")?, Ok(1));
    check_eq!(p.read(rw, 9)?, Ok(b"x".to_vec()));
    Ok(())
}

/// The load is refused, or makes a device of a legal size.
fn invalid_tunables(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    let values = [
        "",
        "x",
        "-1",
        "4k",
        "12x",
        "16777216",
        "16777217",
        "18446744073709551615",
        "99999999999999999999",
    ];
    for value in values {
        cx.set_tunable("hw.echodev.bufsize", value)?;
        if cx.try_load()?.is_ok() {
            let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
            let size = p.size(rw)?;
            check!(
                size <= MAX_SIZE,
                "bufsize {value:?} gave a buffer of {size} bytes"
            );
            check_eq!(p.write(rw, b"x")?.is_ok(), size != 0, "bufsize {value:?}");
            p.exit()?;
            cx.unload()?;
        }
        let mut p = cx.process()?;
        check_one_of!(p.try_open(O_RDONLY)?, [Err(ENOENT), Err(ENXIO)]);
    }
    Ok(())
}

/// A kernel returns ENOEXEC if all modules in a file have failed, whatever errors they return.
fn name_taken(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    cx.squat(true)?;
    check_one_of!(cx.try_load()?, [Err(EEXIST), Err(ENOEXEC)]);
    check_one_of!(cx.try_load()?, [Err(EEXIST), Err(ENOEXEC)]);
    cx.squat(false)?;
    cx.load()?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn nothing_left_after_a_failed_load(cx: &mut Ctx) -> Outcome {
    cx.unload()?;
    cx.squat(true)?;
    check_one_of!(cx.try_load()?, [Err(EEXIST), Err(ENOEXEC)]);
    check_eq!(cx.memory()?, MemoryStats::default());
    cx.squat(false)
}

fn again_after_a_failed_load(cx: &mut Ctx) -> Outcome {
    for _ in 0..3 {
        cx.unload()?;
        cx.squat(true)?;
        check_one_of!(cx.try_load()?, [Err(EEXIST), Err(ENOEXEC)]);
        cx.squat(false)?;
        cx.load()?;
        let (mut p, rw) = cx.opened(O_RDWR)?;
        let kq = p.kqueue()?;
        check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
        check_eq!(p.write(rw, b"abc")?, Ok(3));
        check_eq!(p.events(kq, 4)?.len(), 1);
        check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    }
    Ok(())
}

fn a_thousand_times(cx: &mut Ctx) -> Outcome {
    let mut p = cx.process()?;
    for round in 0..1000 {
        let rw = p.open(O_RDWR)?;
        check_eq!(p.write(rw, b"abc")?, Ok(3));
        check_eq!(p.read(rw, 2)?, Ok(b"ab".to_vec()));
        p.resize(rw, 100)?;
        check_eq!(p.poll(rw, POLLIN | POLLOUT)?, Ok(POLLIN | POLLOUT));
        let kq = p.kqueue()?;
        check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
        check_eq!(p.events(kq, 4)?.len(), 1);
        p.close(kq)?;
        p.close(rw)?;
        cx.unload()?;
        check_eq!(cx.memory()?, MemoryStats::default(), "round {round}");
        cx.load()?;
    }
    Ok(())
}
