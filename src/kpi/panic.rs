//! A Rust panic is a bug in the driver: it ends in panic(9), with file and line.

use core::ffi::c_int;
use core::panic::PanicInfo;
use freebsd_kernel_sys as sys;

#[cfg_attr(target_os = "none", panic_handler)]
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "the compiler calls it, in the kernel")
)]
fn rust_panic(info: &PanicInfo<'_>) -> ! {
    // Formatting a message would pull in more code than the driver has; the literal ones do for
    // finding the place.
    let message = info.message().as_str().unwrap_or("Rust panic");
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    // SAFETY: the format takes two strings, each with the most characters to read, and an int;
    // panic(9) does not return.
    unsafe {
        sys::panic(
            c"echodev: %.*s at %.*s:%d".as_ptr(),
            message.len() as c_int,
            message.as_ptr(),
            file.len() as c_int,
            file.as_ptr(),
            line as c_int,
        )
    }
}
