//! A model of the device, compared with the module in random calls, and with faults at every place
//! where they can happen.
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
