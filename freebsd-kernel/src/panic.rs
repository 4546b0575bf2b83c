//! A Rust panic is a bug in the driver. It ends in panic(9), with file and line.

use core::ffi::c_int;
use core::panic::PanicInfo;
use freebsd_kernel_sys as sys;

#[cfg_attr(target_os = "none", panic_handler)]
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "in the kernel, the compiler calls it")
)]
fn rust_panic(info: &PanicInfo<'_>) -> ! {
    // Formatting would link in more code than a driver has. A message without arguments, the file
    // and the line are enough to find the place.
    let message = info.message().as_str().unwrap_or("Rust panic");
    let (file, line) = info
        .location()
        .map_or(("?", 0), |at| (at.file(), at.line()));
    // SAFETY: the format takes a string, two strings with their greatest lengths, and an int.
    // panic(9) does not return.
    unsafe {
        sys::panic(
            c"%s: %.*s at %.*s:%d".as_ptr(),
            crate::tables().name,
            message.len() as c_int,
            message.as_ptr(),
            file.len() as c_int,
            file.as_ptr(),
            line as c_int,
        )
    }
}
