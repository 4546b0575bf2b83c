//! Memory and strings: the parts of the C library that kernels have.
//!
//! The ones that move memory survive a bad pointer, and report it.

use std::ffi::{CStr, c_char, c_int, c_void};

use super::{arg, kpi};
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::fault::copy_user;

/// Bytes handled at a time where a buffer is needed.
const CHUNK: usize = 1024;

fn fault(td: &Thread, call: &str, to: usize, from: usize, len: usize) -> Stop {
    td.misuse(
        call,
        format!("page fault: {len} bytes to {to:#x} from {from:#x}"),
        None,
    )
}

/// Copies forward; the areas may overlap if `to` is the lower one.
fn copy(td: &Thread, call: &str, to: usize, from: usize, len: usize) -> Result<(), Stop> {
    // SAFETY: the module's memory on both sides, or none, which the copy survives.
    let copied = unsafe { copy_user(to as *mut u8, from as *const u8, len) };
    copied.map_err(|_| fault(td, call, to, from, len))
}

/// Copies areas that may overlap.
fn copy_any(td: &Thread, call: &str, to: usize, from: usize, len: usize) -> Result<(), Stop> {
    if to <= from || to - from >= len {
        return copy(td, call, to, from, len);
    }
    let mut buffer = [0u8; CHUNK];
    let mut end = len;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        copy(
            td,
            call,
            buffer.as_mut_ptr().addr(),
            from + start,
            end - start,
        )?;
        copy(td, call, to + start, buffer.as_ptr().addr(), end - start)?;
        end = start;
    }
    Ok(())
}

fn fill(td: &Thread, call: &str, to: usize, byte: u8, len: usize) -> Result<(), Stop> {
    let buffer = [byte; CHUNK];
    for start in (0..len).step_by(CHUNK) {
        copy(
            td,
            call,
            to + start,
            buffer.as_ptr().addr(),
            CHUNK.min(len - start),
        )?;
    }
    Ok(())
}

fn compare(td: &Thread, call: &str, a: usize, b: usize, len: usize) -> Result<c_int, Stop> {
    let (mut left, mut right) = ([0u8; CHUNK], [0u8; CHUNK]);
    for start in (0..len).step_by(CHUNK) {
        let n = CHUNK.min(len - start);
        copy(td, call, left.as_mut_ptr().addr(), a + start, n)?;
        copy(td, call, right.as_mut_ptr().addr(), b + start, n)?;
        if let Some((l, r)) = left[..n].iter().zip(&right[..n]).find(|(l, r)| l != r) {
            return Ok(c_int::from(*l) - c_int::from(*r));
        }
    }
    Ok(0)
}

/// A module's string.
fn string<'a>(td: &Thread, call: &str, text: *const c_char) -> Result<&'a [u8], Stop> {
    arg(td, call, text)?;
    // SAFETY: the module guarantees that it is terminated.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// As strcmp(3) orders strings of which the first `max` bytes count.
fn order(a: &[u8], b: &[u8], max: usize) -> c_int {
    a[..a.len().min(max)].cmp(&b[..b.len().min(max)]) as c_int
}

kpi! {
    fn memcpy(td, to: usize, from: usize, len: usize) -> usize {
        copy(td, "memcpy", to, from, len)?;
        Ok(to)
    }

    fn memmove(td, to: usize, from: usize, len: usize) -> usize {
        copy_any(td, "memmove", to, from, len)?;
        Ok(to)
    }

    fn bcopy(td, from: usize, to: usize, len: usize) -> () {
        copy_any(td, "bcopy", to, from, len)
    }

    fn memset(td, to: usize, byte: c_int, len: usize) -> usize {
        fill(td, "memset", to, byte as u8, len)?;
        Ok(to)
    }

    fn bzero(td, to: usize, len: usize) -> () {
        fill(td, "bzero", to, 0, len)
    }

    fn explicit_bzero(td, to: usize, len: usize) -> () {
        fill(td, "explicit_bzero", to, 0, len)
    }

    fn memcmp(td, a: usize, b: usize, len: usize) -> c_int {
        compare(td, "memcmp", a, b, len)
    }

    fn bcmp(td, a: usize, b: usize, len: usize) -> c_int {
        compare(td, "bcmp", a, b, len)
    }

    fn strlen(td, text: *const c_char) -> usize {
        Ok(string(td, "strlen", text)?.len())
    }

    fn strcmp(td, a: *const c_char, b: *const c_char) -> c_int {
        Ok(order(string(td, "strcmp", a)?, string(td, "strcmp", b)?, usize::MAX))
    }

    fn strncmp(td, a: *const c_char, b: *const c_char, max: usize) -> c_int {
        Ok(order(string(td, "strncmp", a)?, string(td, "strncmp", b)?, max))
    }

    fn strlcpy(td, to: *mut c_void, from: *const c_char, size: usize) -> usize {
        let text = string(td, "strlcpy", from)?;
        if let Some(room) = size.checked_sub(1) {
            let n = text.len().min(room);
            copy(td, "strlcpy", to.addr(), text.as_ptr().addr(), n)?;
            fill(td, "strlcpy", to.addr() + n, 0, 1)?;
        }
        Ok(text.len())
    }
}
