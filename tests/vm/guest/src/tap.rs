//! The console: TAP, the Test Anything Protocol, version 13.

use crate::freebsd::files::{self, Iovec};
use alloc::string::String;
use core::fmt::{self, Write};
use suite::run::Verdict;
use suite::sys::Fd;

const CONSOLE: Fd = 1;

/// Prints the number of results that follow.
pub fn plan(count: usize) {
    line(format_args!("TAP version 13\n1..{count}"));
}

/// Prints the case that begins. This comment names the case if there is no result.
pub fn case(name: &str) {
    note(format_args!("case {name}"));
}

/// Prints one result.
pub fn result(number: usize, name: fmt::Arguments<'_>, verdict: &Verdict) {
    match verdict {
        Verdict::Passed => line(format_args!("ok {number} - {name}")),
        Verdict::Skipped(why) => line(format_args!("ok {number} - {name} # SKIP {why}")),
        Verdict::Failed(why) => {
            line(format_args!("not ok {number} - {name}"));
            why.lines().for_each(|why| note(format_args!("{why}")));
        }
    }
}

/// Prints a comment.
pub fn note(text: fmt::Arguments<'_>) {
    line(format_args!("# {text}"));
}

/// Prints that the other cases cannot be run.
pub fn bail_out(why: fmt::Arguments<'_>) {
    line(format_args!("Bail out! {why}"));
}

/// Prints a line. Returns when it has been transmitted, so that later messages of the kernel, such
/// as a panic, follow it.
fn line(text: fmt::Arguments<'_>) {
    let mut line = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(line, "{text}");
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        // There is no other place to report a failure of the console.
        let written = files::write(
            CONSOLE,
            Iovec {
                base: rest.as_ptr() as usize,
                len: rest.len(),
            },
        );
        rest = &rest[written.unwrap_or(rest.len())..];
    }
    files::drain(CONSOLE);
}
