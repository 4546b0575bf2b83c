//! `echoctl` examines `/dev/echo`. Its commands are functions over a small trait of system calls.
//!
//! [`Args`] reads a command line, and [`run`] runs it. [`Native`] makes the calls of this system.
//! That is kevent(2) on FreeBSD, and epoll(7) on Linux, where the device is on a mount. A program
//! that has the device in the same process implements [`System`] instead, and runs the same code.
#![deny(unsafe_code)]

mod args;
mod commands;
mod error;
// The system calls that no crate offers without `unsafe`.
#[allow(unsafe_code)]
mod ioctl_call;
mod native;
mod size;
mod system;

pub use args::{Args, Command, Watch};
pub use commands::run;
pub use error::Error;
pub use native::Native;
pub use nix::errno::Errno;
pub use nix::poll::PollFlags;
pub use size::{SizeError, parse_size};
pub use system::{Access, Device, Event, Events, Side, System};
