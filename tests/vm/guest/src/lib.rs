//! Process 1 of a FreeBSD/amd64 kernel, 12 to 15, which runs the suite on that kernel's own
//! `/dev/echo`. If it is not process 1, it does the same as an ordinary program on the running
//! system, and ends.
//!
//! The machine has no other program, no libc and no shell. A process of a case is a fork of this
//! one ([`agent`]). It receives its calls through a socket, makes them as raw system calls
//! ([`freebsd`]), and sends back their results. Besides the suite's cases, there are [`scenarios`]
//! that need a whole kernel. The program can also measure the speed of the device ([`bench`]). The
//! results are written to the console as TAP, the Test Anything Protocol. Then the machine is
//! powered off.
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
