//! printf(9), log(9), panic(9).

use std::ffi::{c_char, c_int};

use super::kpi;
use super::varargs::{VaList, format, format_into, kpi_variadic};
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

fn print(td: &Thread, text: &str) -> c_int {
    td.kernel().console.print(text);
    text.len() as c_int
}

/// Takes a format and its arguments.
///
/// # Safety
///
/// They must be the next arguments.
unsafe fn formatted(args: &mut VaList) -> String {
    // SAFETY: as required of the caller.
    unsafe {
        let text = args.next() as *const c_char;
        format(text, args)
    }
}

fn panicked(td: &Thread, message: &str) -> Stop {
    td.misuse("panic", message.trim_end(), None)
}

kpi_variadic! {
    fn printf(td, args) -> c_int {
        // SAFETY: these are its arguments.
        Ok(print(td, &unsafe { formatted(args) }))
    }

    fn uprintf(td, args) -> c_int {
        // SAFETY: these are its arguments.
        Ok(print(td, &unsafe { formatted(args) }))
    }

    fn log(td, args) -> () {
        // SAFETY: the level, then these.
        let text = unsafe {
            args.next();
            formatted(args)
        };
        print(td, &text);
        Ok(())
    }

    fn panic(td, args) -> () {
        // SAFETY: these are its arguments.
        Err(panicked(td, &unsafe { formatted(args) }))
    }

    fn kassert_panic(td, args) -> () {
        // SAFETY: these are its arguments.
        Err(panicked(td, &unsafe { formatted(args) }))
    }

    fn snprintf(td, args) -> c_int {
        let _ = td;
        // SAFETY: these are its arguments.
        unsafe {
            let (buf, size, text) = (args.next() as *mut c_char, args.next() as usize, args.next() as *const c_char);
            Ok(format_into(buf, size, text, args))
        }
    }

    fn sprintf(td, args) -> c_int {
        let _ = td;
        // SAFETY: these are its arguments. The module is responsible for the size of the buffer.
        unsafe {
            let (buf, text) = (args.next() as *mut c_char, args.next() as *const c_char);
            Ok(format_into(buf, c_int::MAX as usize, text, args))
        }
    }
}

mod fixed {
    use super::*;

    kpi! {
        fn vprintf(td, text: *const c_char, args: &VaList) -> c_int {
            // SAFETY: these are its arguments.
            Ok(print(td, &unsafe { format(text, args) }))
        }

        fn vlog(td, level: c_int, text: *const c_char, args: &VaList) -> () {
            let _ = level;
            // SAFETY: these are its arguments.
            print(td, &unsafe { format(text, args) });
            Ok(())
        }

        fn vpanic(td, text: *const c_char, args: &VaList) -> () {
            // SAFETY: these are its arguments.
            Err(panicked(td, &unsafe { format(text, args) }))
        }

        fn vsnprintf(td, buf: *mut c_char, size: usize, text: *const c_char, args: &VaList) -> c_int {
            let _ = td;
            // SAFETY: these are its arguments.
            Ok(unsafe { format_into(buf, size, text, args) })
        }
    }
}

super::symbols!(
    printf,
    uprintf,
    log,
    panic,
    kassert_panic,
    snprintf,
    sprintf
);
pub use fixed::SYMBOLS as FIXED_SYMBOLS;
