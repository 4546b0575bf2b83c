//! A suite of cases for `/dev/echo`, which runs on every host of the device.
//!
//! A case is a function over [`ctx::Ctx`]. It controls *processes* by sending them [`call::Call`]s.
//! These are plain values, which [`agent::perform`] turns into system calls over the small trait
//! [`sys::Sys`].
//!
//! A new host implements three traits. [`sys::Sys`] has the system calls. [`host::Proc`] is a
//! process that can be made and exchanges bytes with the case. [`host::Host`] has the other
//! features. Then [`run::run`] runs every case of [`cases::all`]. A case that needs a feature that
//! the host lacks is skipped with the reason.
//!
//! ```text
//!   case ──Call──► Proc ··bytes··► perform() ──Sys──► the kernel under test
//!        ◄─Reply──      ◄·bytes··
//! ```
//!
//! Names, numbers and rules are FreeBSD's. No case sleeps or measures time. It waits for events,
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
