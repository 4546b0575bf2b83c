//! The test programs and measurements that this machine can run.

pub mod bench;
pub mod demo;
pub mod fuzz;
pub mod mutants;
pub mod test;
pub mod test_long;
