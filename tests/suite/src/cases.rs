//! The cases, by section of the device's rules.

use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::host::Need;
use alloc::vec::Vec;

/// One case. It starts with a device in its first state, empty, with 64 bytes of room, and not
/// open.
#[derive(Clone, Copy)]
pub struct Case {
    /// The section of the device's rules.
    pub section: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// The features that it needs of the host.
    pub needs: &'static [Need],
    /// Runs it.
    pub run: fn(&mut Ctx<'_>) -> Outcome,
}

/// The table of a section, with the functions of its cases and the needs of each.
macro_rules! cases {
    ($section:literal: $($name:ident $([$($need:ident),+])?),+ $(,)?) => {
        /// The cases of this section.
        pub const CASES: &[$crate::cases::Case] = &[$(
            $crate::cases::Case {
                section: $section,
                name: stringify!($name),
                needs: &[$($($crate::host::Need::$need),+)?],
                run: $name,
            }
        ),+];
    };
}

mod changes;
mod dead;
mod efault;
mod eof;
mod hung;
mod ioctl;
mod kevent_sleep;
mod kqueue;
mod kqueue_fork;
mod kqueue_registration;
mod kqueue_report;
mod leaving;
mod load;
mod nonblock;
mod open;
mod poll;
mod poll_sleep;
mod read;
mod resize;
mod revoke;
mod stress;
mod unload;
mod vectored;
mod write;

/// Every case.
pub fn all() -> Vec<Case> {
    [
        open::CASES,
        eof::CASES,
        read::CASES,
        write::CASES,
        nonblock::CASES,
        vectored::CASES,
        efault::CASES,
        ioctl::CASES,
        resize::CASES,
        poll::CASES,
        poll_sleep::CASES,
        kqueue::CASES,
        kqueue_registration::CASES,
        kevent_sleep::CASES,
        kqueue_report::CASES,
        kqueue_fork::CASES,
        load::CASES,
        unload::CASES,
        leaving::CASES,
        hung::CASES,
        dead::CASES,
        revoke::CASES,
        stress::CASES,
    ]
    .concat()
}

/// `n` bytes, each different from all others within the length of a buffer of the first size.
fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i % 251) as u8).collect()
}
