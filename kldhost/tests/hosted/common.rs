//! The common part of the tests with C modules.

use std::path::PathBuf;

use kldhost::{Config, Kernel, KldId, Release};

/// The file of a test module, `testmods/NAME.c` compiled for the line of this release.
///
/// # Panics
///
/// If it is not there.
pub fn module(name: &str, release: Release) -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_TESTMODS_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/testmods"),
    };
    let line = if release < Release::V15_0 { "14" } else { "15" };
    let file = dir.join(line).join(name).with_extension("ko");
    assert!(
        file.is_file(),
        "{} is not there: `make test` builds it",
        file.display()
    );
    file
}

/// A kernel with a test module loaded.
///
/// # Panics
///
/// If it cannot be loaded.
pub fn boot(name: &str, config: Config) -> (Kernel, KldId) {
    let file = module(name, config.release);
    let kernel = Kernel::new(config);
    let id = kernel
        .kldload(&file)
        .unwrap_or_else(|error| panic!("kldload: {error}"));
    (kernel, id)
}
