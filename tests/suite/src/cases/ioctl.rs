//! ioctl(2), with the queries, CLEAR, and the requests that are refused. Resizing has its own
//! section.

use super::pattern;
use crate::abi::*;
use crate::call::From;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use alloc::vec;

cases! { "ioctl":
    queries_work_with_any_access,
    sizes_of_32_bit_programs,
    fionread_and_fionwrite_at_every_fill,
    fionread_and_fionwrite_follow_the_size,
    clear_discards_everything,
    clear_of_an_empty_device,
    clear_needs_write_access,
    unknown_requests [RawIoctl],
    requests_without_a_direction [RawIoctl],
    on_a_closed_descriptor,
}

fn queries_work_with_any_access(cx: &mut Ctx) -> Outcome {
    let (mut other, w) = cx.opened(O_WRONLY)?;
    check_eq!(other.write(w, b"abc")?, Ok(3));
    for flags in [O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK] {
        let (mut p, fd) = cx.opened(flags)?;
        check_eq!(p.size(fd)?, 64, "flags {flags}");
        check_eq!(p.held(fd)?, 3, "flags {flags}");
        check_eq!(p.room(fd)?, 61, "flags {flags}");
    }
    Ok(())
}

/// No limit allows a size that such a program cannot represent, so EOVERFLOW is impossible here.
fn sizes_of_32_bit_programs(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let r = p.open(O_RDONLY)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    let get = From::all(&[0xff; 4]);
    let set = |size: u32| From::all(&size.to_ne_bytes());
    check_eq!(
        p.ioctl(r, ECHODEV_GBUFSIZE32, get.clone())?,
        Ok(64u32.to_ne_bytes().to_vec())
    );
    check_eq!(p.ioctl(r, ECHODEV_SBUFSIZE32, set(100))?, Err(EPERM));
    check_eq!(p.ioctl(rw, ECHODEV_SBUFSIZE32, set(2))?, Err(EBUSY));
    check_eq!(p.ioctl(rw, ECHODEV_SBUFSIZE32, set(u32::MAX))?, Err(EINVAL));
    check_eq!(p.size(r)?, 64);
    for size in [3, 65_537, 64] {
        check!(
            p.ioctl(rw, ECHODEV_SBUFSIZE32, set(size))?.is_ok(),
            "size {size} was refused"
        );
        check_eq!(p.size(r)?, size.into());
        check_eq!(
            p.ioctl(r, ECHODEV_GBUFSIZE32, get.clone())?,
            Ok(size.to_ne_bytes().to_vec())
        );
    }
    check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn fionread_and_fionwrite_at_every_fill(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    for fill in 0..=64 {
        check_eq!(p.write(rw, &pattern(fill))?, Ok(fill));
        check_eq!(p.held(rw)?, fill as i32, "filled at once");
        check_eq!(p.room(rw)?, 64 - fill as i32, "filled at once");
        for left in (0..fill).rev() {
            check_eq!(p.read(rw, 1)?, Ok(vec![(fill - left - 1) as u8]));
            check_eq!(p.held(rw)?, left as i32, "of {fill}");
            check_eq!(p.room(rw)?, 64 - left as i32, "of {fill}");
        }
    }
    Ok(())
}

fn fionread_and_fionwrite_follow_the_size(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.write(rw, &pattern(10))?, Ok(10));
    for size in [10, 11, 64, 4096, 1 << 20] {
        p.resize(rw, size)?;
        check_eq!(p.held(rw)?, 10, "size {size}");
        check_eq!(p.room(rw)?, size as i32 - 10, "size {size}");
    }
    Ok(())
}

fn clear_discards_everything(cx: &mut Ctx) -> Outcome {
    for flags in [O_WRONLY, O_RDWR] {
        let (mut p, fd) = cx.opened(flags)?;
        let r = p.open(O_RDONLY | O_NONBLOCK)?;
        for held in [1, 30, 64] {
            check_eq!(p.write(fd, &pattern(held))?, Ok(held));
            check_eq!(p.try_clear(fd)?, Ok(()));
            check_eq!(p.held(r)?, 0);
            check_eq!(p.room(r)?, 64);
            check_eq!(p.read(r, 100)?, Err(EWOULDBLOCK));
        }
        check_eq!(p.write(fd, &pattern(64))?, Ok(64));
        check_eq!(p.read(r, 100)?, Ok(pattern(64)));
    }
    Ok(())
}

fn clear_of_an_empty_device(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.try_clear(rw)?, Ok(()));
    p.resize(rw, 0)?;
    check_eq!(p.try_clear(rw)?, Ok(()));
    check_eq!(p.size(rw)?, 0);
    Ok(())
}

fn clear_needs_write_access(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let w = p.open(O_WRONLY)?;
    check_eq!(p.try_clear(r)?, Err(EPERM), "empty");
    check_eq!(p.write(w, b"abc")?, Ok(3));
    check_eq!(p.try_clear(r)?, Err(EPERM));
    check_eq!(p.read(r, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn unknown_requests(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let r = p.open(O_RDONLY)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    let requests: [(&str, u64); 9] = [
        ("_IO('E', 99)", 0x2000_4563),
        ("_IO('E', 103)", 0x2000_4567),
        ("_IO('E', 100)", 0x2000_4564),
        ("_IO('E', 101)", 0x2000_4565),
        ("_IOW('E', 100, size_t)", 0x8008_4564),
        ("_IOWR('E', 101, size_t)", 0xc008_4565),
        ("_IOR('E', 102, size_t)", 0x4008_4566),
        ("_IO('F', 102)", 0x2000_4666),
        ("FIOGETOWN", 0x4004_667b),
    ];
    for (name, request) in requests {
        let len = (request >> 16 & 0x1fff) as usize;
        for fd in [rw, r] {
            check_eq!(
                p.ioctl(fd, request, From::all(&vec![0; len]))?,
                Err(ENOTTY),
                "{name}"
            );
        }
    }
    check_eq!(p.size(rw)?, 64);
    check_eq!(p.read(rw, 10)?, Ok(b"abc".to_vec()));
    Ok(())
}

/// These do not reach the driver, because the kernel cannot determine the direction of their
/// argument.
fn requests_without_a_direction(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for request in [0, 0x4564, 0x0008_4564, 0x4000_4564, 0x8000_4565] {
        check_eq!(
            p.ioctl(rw, request, From::all(&[0; 8]))?,
            Err(ENOTTY),
            "{request:#x}"
        );
    }
    Ok(())
}

fn on_a_closed_descriptor(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    p.close(rw)?;
    check_eq!(p.try_clear(rw)?, Err(EBADF));
    check_eq!(p.try_resize(rw, 10)?, Err(EBADF));
    check_eq!(p.ioctl_int(rw, FIONREAD, 0)?, Err(EBADF));
    Ok(())
}
