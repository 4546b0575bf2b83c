//! See [`fuzz_bodies::program`].
#![no_main]

use std::cell::Cell;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

const COUNTERS: usize = 1 << 12;

/// libFuzzer takes what is counted in this section for coverage: the module itself has no counters.
// SAFETY: libFuzzer clears and reads the bytes between two runs.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static SEEN: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

thread_local! {
    static BEFORE: Cell<u32> = const { Cell::new(0) };
}

/// Counts what follows on what.
fn seen(what: u32) {
    let before = BEFORE.replace(what);
    SEEN[(before.rotate_left(1) ^ what) as usize % COUNTERS].fetch_add(1, Relaxed);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    BEFORE.set(0);
    fuzz_bodies::program(bytes, seen);
});
