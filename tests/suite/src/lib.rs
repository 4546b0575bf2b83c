//! One suite of cases for `/dev/echo`, for every place where the device can be had.
//!
//! A case is a function over [`ctx::Ctx`]. It drives *processes*, and a process is driven by
//! sending it [`call::Call`]s: plain values, which [`agent::perform`] turns into system calls over
//! the small trait [`sys::Sys`]. So what a new host has to bring is: those system calls
//! ([`sys::Sys`]), a way to make processes and to carry bytes to and from them ([`host::Proc`]),
//! and what else it can do ([`host::Host`]); then [`run::run`] runs every case of [`cases::all`],
//! and a case that needs what the host lacks is skipped with the reason.
//!
//! ```text
//!   case ──Call──► Proc ··bytes··► perform() ──Sys──► the kernel under test
//!        ◄─Reply──      ◄·bytes··
//! ```
//!
//! Names, numbers and rules are FreeBSD's. No case sleeps or measures time: it waits for events,
//! and every wait has a bound that only a failure reaches.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
pub mod check;

pub mod abi;
pub mod agent;
pub mod bulk;
pub mod call;
pub mod cases;
pub mod ctx;
pub mod errno;
pub mod host;
pub mod process;
pub mod run;
pub mod sys;
