//! Drivers in Rust, over the crate freebsd-kernel: its examples, and one that misbehaves.

mod examples;
mod misbehaving;

use crate::common;
use kldhost::{Config, Kernel, KldId};

/// A kernel with this driver loaded, and a tunable set.
fn boot(name: &str, tunable: &str, value: usize) -> (Kernel, KldId) {
    let tunables = vec![(format!("hw.example.{tunable}"), value.to_string())];
    let config = Config {
        tunables,
        ..Config::default()
    };
    common::boot(name, config)
}
