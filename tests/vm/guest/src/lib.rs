//! Process 1 of a FreeBSD/amd64 kernel, 12 to 15, that runs the conformance suite on that kernel's
//! own `/dev/echo`. Where it is not process 1 it does the same as an ordinary program, on the
//! system as it is, and ends.
//!
//! It is all there is: no libc, no shell, no other program. A process of a case is a fork of this
//! one ([`agent`]), which gets its calls through a socket, makes them as raw system calls
//! ([`freebsd`]) and sends back what came of them. Besides the suite's own cases there are
//! [`scenarios`] that only a whole kernel can show. Or it measures how fast the device is
//! ([`bench`]). The results go to the console as TAP, the Test Anything Protocol; then the machine
//! is powered off.
#![no_std]

extern crate alloc;

pub mod agent;
pub mod bench;
pub mod channel;
pub mod cores;
pub mod freebsd;
pub mod host;
mod hungmap;
mod memory;
pub mod modules;
mod proc;
pub mod scenarios;
#[cfg(target_os = "none")]
mod start;
pub mod tap;
