//! `/dev/echo` for FreeBSD, in Rust.
#![no_std]
pub mod ioctl;
