//! A model of the device, held against the module: random calls, and faults at every place where
//! there can be one.
#![forbid(unsafe_code)]

mod call;
mod explain;
mod faults;
mod perform;
mod plain;
mod random;
mod run;
mod scenarios;
mod spec;
mod system;
mod trap;
mod waiting;
