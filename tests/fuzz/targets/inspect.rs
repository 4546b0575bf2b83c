//! See [`fuzz_bodies::inspect`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::inspect(bytes));
