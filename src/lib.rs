//! `/dev/echo`: a byte FIFO with the manners of a pipe, as a FreeBSD character device.
//!
//! The C file in `c_shim/` holds the `cdevsw`; its methods call [`entry`], which hands typed
//! arguments to [`device`], where all decisions are made. [`kpi`] wraps the kernel's functions so
//! that misuse does not compile. Programs outside the kernel share [`ioctl`] and may use [`fifo`];
//! the rest exists only in the kernel (`target_os = "none"`), and where clippy and rustdoc look at
//! it.
#![cfg_attr(not(test), no_std)]

pub mod fifo;
pub mod ioctl;

#[cfg(any(target_os = "none", all(not(test), any(clippy, doc))))]
mod device;
#[cfg(any(target_os = "none", all(not(test), any(clippy, doc))))]
mod entry;
#[cfg(any(target_os = "none", all(not(test), any(clippy, doc))))]
mod kpi;
