//! readv(2), writev(2), pread(2), pwrite(2)

use super::pattern;
use crate::abi::*;
use crate::call::{Call, From, Into};
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::host::{ECHORD, ECHOWR};
use alloc::vec;
use alloc::vec::Vec;

cases! { "vectored":
    scatter_and_gather,
    empty_segments,
    no_segment_and_no_bytes,
    as_many_segments_as_are_allowed,
    one_segment_too_many,
    readv_may_be_short,
    blocked_readv,
    writev_of_more_than_the_buffer_holds,
    segments_across_the_edge_of_the_ring,
    pread_and_pwrite_ignore_the_offset [Positioned],
}

fn sources(lengths: &[usize], data: &[u8]) -> Vec<From> {
    let mut rest = data;
    let mut parts = Vec::new();
    for len in lengths {
        let (part, behind) = rest.split_at(*len);
        parts.push(From::all(part));
        rest = behind;
    }
    parts
}

fn targets(lengths: &[usize]) -> Vec<Into> {
    lengths.iter().map(|len| Into::all(*len)).collect()
}

fn scatter_and_gather(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = pattern(60);
    for (write, read) in [
        (vec![60], vec![1, 2, 57]),
        (vec![10, 20, 30], vec![60]),
        (vec![1, 58, 1], vec![29, 31]),
    ] {
        check_eq!(p.writev(rw, sources(&write, &data))?, Ok(60), "{write:?}");
        check_eq!(
            p.readv(rw, targets(&read))?,
            Ok(data.clone()),
            "{write:?}, {read:?}"
        );
    }
    Ok(())
}

fn empty_segments(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let data = pattern(12);
    check_eq!(
        p.writev(rw, sources(&[0, 0, 5, 0, 7, 0, 0], &data))?,
        Ok(12)
    );
    check_eq!(p.readv(rw, targets(&[0, 3, 0, 0, 4, 5, 0]))?, Ok(data));
    check_eq!(p.readv(rw, targets(&[0, 3]))?, Err(EWOULDBLOCK));
    Ok(())
}

fn no_segment_and_no_bytes(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for lengths in [&[][..], &[0], &[0, 0, 0]] {
        check_eq!(
            p.readv(rw, targets(lengths))?,
            Ok(vec![]),
            "empty, {lengths:?}"
        );
        check_eq!(
            p.writev(rw, sources(lengths, &[]))?,
            Ok(0),
            "empty, {lengths:?}"
        );
    }
    check_eq!(p.write(rw, &pattern(64))?, Ok(64));
    for lengths in [&[][..], &[0], &[0, 0, 0]] {
        check_eq!(
            p.readv(rw, targets(lengths))?,
            Ok(vec![]),
            "full, {lengths:?}"
        );
        check_eq!(
            p.writev(rw, sources(lengths, &[]))?,
            Ok(0),
            "full, {lengths:?}"
        );
    }
    check_eq!(p.read(rw, 100)?, Ok(pattern(64)));
    Ok(())
}

fn as_many_segments_as_are_allowed(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    p.resize(rw, IOV_MAX as u64)?;
    let data = pattern(IOV_MAX);
    check_eq!(p.writev(rw, sources(&[1; IOV_MAX], &data))?, Ok(IOV_MAX));
    check_eq!(p.readv(rw, targets(&[1; IOV_MAX]))?, Ok(data));
    Ok(())
}

fn one_segment_too_many(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    p.resize(rw, 2048)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(
        p.writev(rw, sources(&[1; IOV_MAX + 1], &pattern(IOV_MAX + 1)))?,
        Err(EINVAL)
    );
    check_eq!(p.readv(rw, targets(&[1; IOV_MAX + 1]))?, Err(EINVAL));
    check_eq!(p.read(rw, 100)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn readv_may_be_short(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abcde")?, Ok(5));
    check_eq!(p.readv(rw, targets(&[2, 2, 2, 2]))?, Ok(b"abcde".to_vec()));
    Ok(())
}

fn blocked_readv(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    reader.start(Call::Readv {
        fd: r,
        into: targets(&[0, 2, 5]),
    })?;
    cx.asleep(&reader, ECHORD)?;
    check_eq!(writer.writev(w, sources(&[3, 1], b"abcd"))?, Ok(4));
    check_eq!(reader.finish_read()?, Ok(b"abcd".to_vec()));
    Ok(())
}

fn writev_of_more_than_the_buffer_holds(cx: &mut Ctx) -> Outcome {
    let (mut writer, w) = cx.opened(O_WRONLY)?;
    let (mut reader, r) = cx.opened(O_RDONLY)?;
    let data = pattern(150);
    writer.start(Call::Writev {
        fd: w,
        from: sources(&[10, 60, 0, 70, 10], &data),
    })?;
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(reader.read(r, 64)?, Ok(data[..64].to_vec()));
    cx.asleep(&writer, ECHOWR)?;
    check_eq!(reader.read(r, 64)?, Ok(data[64..128].to_vec()));
    check_eq!(writer.finish_write()?, Ok(150));
    check_eq!(reader.read(r, 64)?, Ok(data[128..].to_vec()));
    Ok(())
}

fn segments_across_the_edge_of_the_ring(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let mut stays = b'<';
    check_eq!(p.write(rw, &[stays])?, Ok(1));
    for round in 0..64u8 {
        let mut want = vec![stays];
        want.extend((0..50).map(|i| i + round));
        check_eq!(
            p.writev(rw, sources(&[7, 13, 1, 29], &want[1..]))?,
            Ok(50),
            "round {round}"
        );
        check_eq!(
            p.readv(rw, targets(&[19, 1, 2, 28]))?,
            Ok(want[..50].to_vec()),
            "round {round}"
        );
        stays = want[50];
    }
    Ok(())
}

fn pread_and_pwrite_ignore_the_offset(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    // A negative offset is allowed for a character device.
    for offset in [0, 1, 63, 64, 1 << 40, i64::MAX, -1] {
        check_eq!(p.pwrite(rw, b"abc", offset)?, Ok(3), "pwrite at {offset}");
        check_eq!(p.pwrite(rw, b"def", 2)?, Ok(3));
        check_eq!(
            p.pread(rw, 4, offset)?,
            Ok(b"abcd".to_vec()),
            "pread at {offset}"
        );
        check_eq!(p.read(rw, 4)?, Ok(b"ef".to_vec()));
        check_eq!(
            p.pread(rw, 4, offset)?,
            Err(EWOULDBLOCK),
            "pread at {offset}"
        );
    }
    Ok(())
}
