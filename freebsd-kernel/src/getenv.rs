//! Tunables: variables of the kernel environment that loader.conf(5) and kenv(1) set, getenv(9),
//! `<sys/kernel.h>`.
#![doc = concat!("```ignore\n", include_str!("../examples/getenv.rs"), "```")]

use core::ffi::{CStr, c_ulong};
use freebsd_kernel_sys as sys;

/// Returns the number that the kernel environment has for `name`, or `default` if there is none.
/// `TUNABLE_ULONG_FETCH`.
pub fn getenv_ulong(name: &CStr, default: usize) -> usize {
    let mut value = default as c_ulong;
    // SAFETY: the name ends in NUL. getenv_ulong writes the value only if it finds a number.
    unsafe { sys::getenv_ulong(name.as_ptr(), &mut value) };
    value as usize
}

/// As [`getenv_ulong`], but at most `limit`. Prints a line on the console, printf(9), if the value
/// was larger.
pub fn getenv_ulong_max(name: &CStr, default: usize, limit: usize) -> usize {
    let value = getenv_ulong(name, default.min(limit));
    if value > limit {
        // SAFETY: the format takes two strings and two unsigned longs.
        unsafe {
            sys::printf(
                c"%s: %s=%lu is too large; using %lu\n".as_ptr(),
                crate::tables().name,
                name.as_ptr(),
                value as c_ulong,
                limit as c_ulong,
            );
        }
    }
    value.min(limit)
}
