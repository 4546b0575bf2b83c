//! `/dev/echo`, a byte FIFO that behaves like a pipe, as a FreeBSD character device.
//!
//! [`device`] makes all decisions. It is a driver of the crate `freebsd-kernel`, which calls its
//! methods and has everything that is unsafe. The C file in `c_shim/` has the tables that the
//! kernel reads. Programs outside of the kernel use [`ioctl`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod device;
pub mod fifo;
pub mod ioctl;

freebsd_kernel::driver!(device::Echo);
