//! Bindings of the FreeBSD kernel headers that a character device needs, by bindgen, with its
//! layout assertions.
//!
//! They are vendored per FreeBSD major version; `--cfg freebsd="14"` chooses that one, 15 is the
//! default, and `"sysdir"` takes the file that `FREEBSD_KERNEL_SYS_BINDINGS` names, generated from
//! a source tree. `wrapper.h` names the headers, and `make bindings` writes the files anew. Names,
//! types and values are those of the headers; the manual pages are in section 9.
#![no_std]
#![allow(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::all
)]

#[cfg(freebsd = "14")]
#[rustfmt::skip]
mod v14;
#[cfg(freebsd = "14")]
pub use v14::*;

#[cfg(not(any(freebsd = "14", freebsd = "sysdir")))]
#[rustfmt::skip]
mod v15;
#[cfg(not(any(freebsd = "14", freebsd = "sysdir")))]
pub use v15::*;

#[cfg(freebsd = "sysdir")]
include!(env!("FREEBSD_KERNEL_SYS_BINDINGS"));
