//! Bindings of the FreeBSD kernel headers that a character device needs, made by bindgen, with its
//! assertions of layout.
//!
//! There is one file for each FreeBSD major version. `--cfg freebsd="14"` selects that of 14, and
//! 15 is the default. `--cfg freebsd="sysdir"` selects the file that the environment variable
//! `FREEBSD_KERNEL_SYS_BINDINGS` names, which was generated from a source tree. `wrapper.h` lists
//! the headers, and `make bindings` generates the files again. Names, types and values are those
//! of the headers. The manual pages are in section 9.
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
