//! See [`fuzz_bodies::program`].
#![no_main]

use std::cell::Cell;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

const COUNTERS: usize = 1 << 12;

/// libFuzzer uses the counters in this section as coverage. The module itself has none.
// SAFETY: libFuzzer clears and reads the bytes between two runs.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static SEEN: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

thread_local! {
    static BEFORE: Cell<u32> = const { Cell::new(0) };
}

/// Counts the pair of the previous number and this one.
fn seen(what: u32) {
    let before = BEFORE.replace(what);
    SEEN[(before.rotate_left(1) ^ what) as usize % COUNTERS].fetch_add(1, Relaxed);
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    BEFORE.set(0);
    fuzz_bodies::program(bytes, seen);
});
