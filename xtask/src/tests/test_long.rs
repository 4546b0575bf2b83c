//! `make test-long`: many schedules of the hosted module, and many random sequences of calls on it
//! and on its model.

use crate::command;
use crate::module::kmod;
use crate::module::toolchain::Freebsd;
use crate::release::kld::only_on_linux;
use anyhow::Result;
use std::ffi::OsStr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sequences of calls for the model.
const SEQUENCES: &str = "10000";

/// How much to test.
#[derive(clap::Args)]
pub struct Options {
    /// Schedules of each scenario
    #[arg(long)]
    schedules: NonZeroU32,
    /// Only the scenarios with this in their name
    #[arg(long, default_value = "", hide_default_value = true)]
    scenario: String,
    /// Only the schedules of this seed, as a failure has printed it
    #[arg(long, default_value = "", hide_default_value = true)]
    seed: String,
}

/// Builds the modules, and explores.
pub fn test_long(root: &Path, options: &Options) -> Result<()> {
    only_on_linux(
        "test-long",
        "`make test` tests the module in the kernel of this system",
    )?;
    kmod::kmod(root, Freebsd::V15)?;
    kmod::testmods(root, Freebsd::V15)?;
    // Other schedules in each run.
    let first = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (schedules, first) = (options.schedules.to_string(), first.to_string());
    let mut arguments = vec!["--package", "schedules", "--test", "schedules"];
    if !options.scenario.is_empty() {
        arguments.extend(["--", &options.scenario]);
    }
    command::cargo_test(
        root,
        &arguments,
        &[
            ("ECHODEV_SCHEDULES", OsStr::new(&schedules)),
            ("ECHODEV_FIRST_SEED", OsStr::new(&first)),
            ("ECHODEV_SEED", OsStr::new(&options.seed)),
        ],
    )?;
    command::cargo_test(
        root,
        &["--package", "model", "--test", "model", "random::"],
        &[("PROPTEST_CASES", OsStr::new(SEQUENCES))],
    )
}
