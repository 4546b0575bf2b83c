//! Replays the corpora of the fuzz targets, without a fuzzer.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

/// Passes every file of a target's corpus to `body`.
fn replay(target: &str, body: impl Fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let entries = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        // Shown if it fails.
        println!("{}", path.display());
        body(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 10, "{} has only {count} files", dir.display());
}

#[test]
fn program() {
    replay("program", |bytes| fuzz_bodies::program(bytes, |_| {}));
}

#[test]
fn image() {
    replay("image", fuzz_bodies::image);
}

#[test]
fn inspect() {
    replay("inspect", fuzz_bodies::inspect);
}
