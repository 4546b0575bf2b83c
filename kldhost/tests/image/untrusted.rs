//! Untrusted files: with any contents, they are loaded or refused.

use crate::elf::{Ko, sample};
use kldhost::image::{Image, LoadError};
use kldhost::inspect::inspect;
use object::elf::R_X86_64_64;
use proptest::prelude::*;

/// Passes the file to all functions that read files. The test is that they return.
fn offer(bytes: &[u8]) {
    if let Ok(report) = inspect(bytes) {
        let _ = report.to_string();
    }
    let _ = Image::load(bytes, &|name| Some(name.len() << 40));
}

/// Numbers that break arithmetic.
fn odd_number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<u8>().prop_map(u64::from),
        any::<u16>().prop_map(u64::from),
        (0u32..64).prop_map(|bit| 1 << bit),
        (0u32..64).prop_map(|bit| (1 << bit) - 1),
        (1u64..64).prop_map(|distance| distance.wrapping_neg()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        offer(&bytes);
    }

    #[test]
    fn any_bytes_behind_a_sound_header(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        let mut file = sample().finish()[..64].to_vec();
        file.extend(bytes);
        // The section headers begin after the ELF header.
        file[40..48].copy_from_slice(&64u64.to_le_bytes());
        offer(&file);
    }

    #[test]
    fn some_numbers_changed(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..4, odd_number()), 1..8)
    ) {
        let mut bytes = sample().finish();
        for (at, log_width, number) in changes {
            let width = 1 << log_width;
            let at = at.index(bytes.len() - width + 1) / width * width;
            bytes[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
        }
        offer(&bytes);
    }

    #[test]
    fn some_bytes_missing(at in any::<prop::sample::Index>(), count in 1usize..64) {
        let mut bytes = sample().finish();
        let at = at.index(bytes.len());
        bytes.drain(at..(at + count).min(bytes.len()));
        offer(&bytes);
    }
}

/// A file of many sections whose headers all point to the same bytes would keep a naive reader busy
/// for hours.
#[test]
fn sections_that_overlap_are_refused() {
    const E_SHOFF: usize = 40;
    const SIZEOF_SHDR: usize = 64;
    const SH_OFFSET: usize = 24;
    let mut ko = Ko::new();
    for _ in 0..100 {
        ko.section(".data", "WA", &[0; 64], 8);
    }
    let mut bytes = ko.finish();
    let shoff = u64::from_le_bytes(bytes[E_SHOFF..][..8].try_into().unwrap()) as usize;
    let whole = [0u64.to_le_bytes(), (bytes.len() as u64).to_le_bytes()].concat();
    for header in bytes[shoff..]
        .chunks_exact_mut(SIZEOF_SHDR)
        .skip(1)
        .take(100)
    {
        header[SH_OFFSET..][..16].copy_from_slice(&whole);
    }
    assert_eq!(
        inspect(&bytes),
        Err(LoadError::Damaged("its sections overlap".into()))
    );
}

/// So would many symbols that share one long name.
#[test]
fn names_that_overlap_are_refused() {
    const E_SHOFF: usize = 40;
    const SIZEOF_SHDR: usize = 64;
    const SIZEOF_SYM: usize = 24;
    const SYMTAB: u32 = 2;
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", &[0xc3], 1);
    ko.function(&"n".repeat(4000), text, 0);
    for number in 0..1000 {
        ko.function(&number.to_string(), text, 0);
    }
    let mut bytes = ko.finish();
    let word =
        |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..][..8].try_into().unwrap()) as usize;
    let shoff = word(&bytes, E_SHOFF);
    let symtab = (shoff..bytes.len())
        .step_by(SIZEOF_SHDR)
        .find(|&at| bytes[at + 4..][..4] == SYMTAB.to_le_bytes());
    let (offset, size) = (
        word(&bytes, symtab.unwrap() + 24),
        word(&bytes, symtab.unwrap() + 32),
    );
    let symbols = bytes[offset..offset + size]
        .chunks_exact_mut(SIZEOF_SYM)
        .skip(1);
    // The first name in the table begins at 1.
    symbols.for_each(|symbol| symbol[..4].copy_from_slice(&1u32.to_le_bytes()));
    assert!(
        matches!(inspect(&bytes), Err(LoadError::Damaged(why)) if why.ends_with("has no readable name"))
    );
}

/// A mangled name whose parts refer back to other parts, each to two, can expand to gigabytes.
#[test]
fn names_that_unfold_are_not_unfolded() {
    const SYSINITS: usize = 100;
    let mut name = "INvC1a1b".to_owned();
    let mut before = name.len();
    name += "TuuE";
    for _ in 0..40 {
        let here = name.len();
        let back = reference(before);
        name += &format!("T{back}{back}E");
        before = here;
    }
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", &[0xc3], 1);
    let name = format!("_R{name}E");
    let function = ko.function(&name, text, 0);
    let sysinit = ko.section(".data.sysinit", "WA", &[0; 32], 8);
    let record = ko.data("record", sysinit, 0);
    ko.relocate(sysinit, 16, R_X86_64_64, function, 0);
    let set = ko.section("set_sysinit_set", "A", &[0; 8 * SYSINITS], 8);
    for number in 0..SYSINITS {
        ko.relocate(set, 8 * number as u64, R_X86_64_64, record, 0);
    }
    let bytes = ko.finish();
    let report = inspect(&bytes).unwrap();
    assert_eq!(report.sysinits.len(), SYSINITS);
    assert!(
        report.to_string().len() < SYSINITS * 4096,
        "{} bytes",
        report.to_string().len()
    );
    let image = Image::load(&bytes, &|_| None).unwrap();
    let (found, _) = image.symbolize(image.symbol(&name).unwrap()).unwrap();
    assert_eq!(found, name);
}

/// A reference back, in Rust's mangling: `B`, and the position in base 62, less one, with no digit
/// for 0.
fn reference(position: usize) -> String {
    const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut digits = String::new();
    let mut rest = position - 1;
    loop {
        digits.insert(0, char::from(DIGITS[rest % 62]));
        rest /= 62;
        if rest == 0 {
            return format!("B{digits}_");
        }
    }
}

/// A relocation for each of many places, all against the same symbol: large, but sound.
#[test]
fn a_large_module_is_loaded() {
    let mut ko = Ko::new();
    let data = ko.section(".data", "WA", &vec![0; 8 * 100_000], 8);
    let here = ko.data("here", data, 0);
    for offset in (0..8 * 100_000).step_by(8) {
        ko.relocate(data, offset, R_X86_64_64, here, 0);
    }
    let bytes = ko.finish();
    assert_eq!(inspect(&bytes).unwrap().relocations[0].count, 100_000);
    Image::load(&bytes, &|_| None).unwrap();
}
