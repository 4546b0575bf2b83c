//! Kernel environment variables that loader.conf(5) and kenv(1) set, `TUNABLE_ULONG_FETCH` in
//! `<sys/kernel.h>`.

use core::ffi::{CStr, c_ulong};
use freebsd_kernel_sys as sys;

/// The number that the kernel environment gives for `name`, or `default` if there is none.
pub fn fetch(name: &CStr, default: usize) -> usize {
    let mut value = default as c_ulong;
    // SAFETY: the name is NUL-terminated; getenv_ulong writes the value only if it finds a number.
    unsafe { sys::getenv_ulong(name.as_ptr(), &mut value) };
    value as usize
}

/// Tells the console that the value of a tunable is not usable, and what is taken in its place,
/// printf(9).
pub fn warn_limited(name: &CStr, value: usize, limit: usize) {
    // SAFETY: the format takes a string and two unsigned longs.
    unsafe {
        let format = c"echodev: %s=%lu is too large; using %lu\n";
        sys::printf(
            format.as_ptr(),
            name.as_ptr(),
            value as c_ulong,
            limit as c_ulong,
        );
    }
}
