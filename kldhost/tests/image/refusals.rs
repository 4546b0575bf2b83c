//! Files that are refused, and why.

use crate::elf::{Ko, sample, words};
use crate::loading::{load, refusal, refusal_of, with_relocation};
use kldhost::image::{Image, LoadError};
use object::elf::{
    R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_GOTPCREL, R_X86_64_PC32, R_X86_64_PC64,
    RelocationType,
};

#[test]
fn all_undefined_symbols_are_named() {
    let Err(error) = Image::load(&sample().finish(), &|_| None) else {
        panic!("it was loaded")
    };
    assert_eq!(
        error,
        LoadError::Undefined(vec!["module_register_init".into(), "oracle".into()])
    );
    assert_eq!(
        error.to_string(),
        "undefined symbols that this kernel does not have: module_register_init, oracle"
    );
}

#[test]
fn symbols_that_nothing_uses_need_not_exist() {
    let mut ko = sample();
    ko.undefined("__start_set_pcpu");
    load(&ko).unwrap();
}

#[test]
fn other_relocation_types_are_refused() {
    for (kind, name) in [
        (R_X86_64_32, "R_X86_64_32"),
        (R_X86_64_PC64, "R_X86_64_PC64"),
        (R_X86_64_GOTPCREL, "R_X86_64_GOTPCREL"),
        (RelocationType(0xff), "of type 255"),
    ] {
        let expected = format!(
            "relocation {name} at .text+0x2 against target: the FreeBSD module loader does not apply this type"
        );
        assert_eq!(refusal(&with_relocation(kind, 2, 0)), expected);
    }
}

#[test]
fn relocations_that_do_not_fit_are_refused() {
    let far = "the target is out of its reach of 2 GB";
    let beyond = "it is beyond the end of the section";
    for (kind, offset, addend, problem) in [
        (R_X86_64_32S, 0, 1 << 31, far),
        (R_X86_64_32S, 0, -(1 << 33), far),
        (R_X86_64_PC32, 0, 1 << 31, far),
        (R_X86_64_PC32, 0, i64::MIN, far),
        (R_X86_64_PC32, 5, 0, beyond),
        (R_X86_64_64, 1, 0, beyond),
        (R_X86_64_64, u64::MAX - 3, 0, beyond),
    ] {
        let message = refusal(&with_relocation(kind, offset, addend));
        assert!(message.ends_with(problem), "{message}");
    }
}

#[test]
fn relocations_of_zeros_are_refused() {
    let mut ko = Ko::new();
    let bss = ko.bss(".bss", 64, 8);
    let here = ko.data("here", bss, 0);
    ko.relocate(bss, 0, R_X86_64_64, here, 0);
    assert!(refusal(&ko).ends_with("it is beyond the end of the section"));
}

#[test]
fn symbols_that_are_not_in_memory_are_refused() {
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", &[0; 8], 16);
    let note = ko.section(".comment", "", b"none", 1);
    let symbol = ko.section_symbol(note);
    ko.relocate(text, 0, R_X86_64_64, symbol, 0);
    assert_eq!(
        refusal(&ko),
        "relocation R_X86_64_64 at .text+0x0 against .comment: the symbol's section is not part of the module in memory"
    );
}

#[test]
fn impossible_sections_are_refused() {
    let one = |name: &str, flags: &str, align| {
        let mut ko = Ko::new();
        ko.section(name, flags, &[0; 8], align);
        refusal(&ko)
    };
    assert_eq!(
        one(".both", "WAX", 1),
        "cannot be loaded: section .both is both writable and executable"
    );
    assert_eq!(
        one(".tdata", "WAT", 1),
        "cannot be loaded: section .tdata is thread-local storage"
    );
    assert_eq!(
        one(".text", "AX", 8192),
        "cannot be loaded: .text needs an alignment of 8192, and the largest is 4096"
    );
    assert_eq!(
        one(".comment", "", 1),
        "cannot be loaded: nothing in it would be loaded"
    );
}

#[test]
fn absurd_sizes_are_refused() {
    for size in [65 << 20, 1 << 40, u64::MAX - 4096, u64::MAX] {
        let mut ko = Ko::new();
        ko.bss(".bss", size, 8);
        assert_eq!(
            refusal(&ko),
            format!("cannot be loaded: section .bss ({size} bytes) is larger than 64 MiB")
        );
        let mut ko = Ko::new();
        ko.common("huge", size, 8);
        let expected = format!(
            "cannot be loaded: with huge ({size} bytes) the module is larger than 64 MiB in memory"
        );
        assert_eq!(refusal(&ko), expected);
    }
    let mut ko = Ko::new();
    ko.bss(".bss", 40 << 20, 8);
    ko.bss(".bss.more", 40 << 20, 8);
    assert!(refusal(&ko).contains("with .bss.more (41943040 bytes) the module is larger"));
}

#[test]
fn broken_linker_sets_are_refused() {
    let mut ko = Ko::new();
    ko.section("set_sysinit_set", "A", &[0; 12], 8);
    assert_eq!(
        refusal(&ko),
        "damaged or truncated: section set_sysinit_set ends in the middle of a pointer"
    );
    let mut ko = Ko::new();
    ko.section("set_modmetadata_set", "A", &vec![0; 1 << 20], 8);
    assert_eq!(
        refusal(&ko),
        "cannot be loaded: section set_modmetadata_set has more than 65536 entries"
    );
    let mut ko = Ko::new();
    ko.section("set_sysinit_set", "A", &[0; 8], 8);
    ko.section("set_sysinit_set", "A", &[0; 8], 8);
    assert_eq!(
        refusal(&ko),
        "cannot be loaded: it has two sections set_sysinit_set, and FreeBSD would use only the first"
    );
}

#[test]
fn metadata_that_cannot_be_read_is_refused() {
    let mut ko = Ko::new();
    let data = ko.section(".data", "WA", &words(&[1, 2, 0, 0, 0, 0]), 8);
    let record = ko.data("record", data, 0);
    let set = ko.section("set_modmetadata_set", "A", &[0; 8], 8);
    ko.relocate(set, 0, R_X86_64_64, record, 0);
    assert_eq!(
        refusal(&ko),
        "damaged or truncated: metadata record 0 has no name"
    );
}

#[test]
fn other_files_are_refused() {
    const CLASS: usize = 4;
    const DATA: usize = 5;
    const TYPE: usize = 16;
    const MACHINE: usize = 18;
    let patched = |offset: usize, byte| {
        let mut bytes = sample().finish();
        bytes[offset] = byte;
        refusal_of(&bytes)
    };
    let no_module = "not a kernel module for FreeBSD/amd64: it is ";
    assert_eq!(refusal_of(b""), "not an ELF file");
    assert_eq!(
        refusal_of(b"root:*:0:0:Charlie &:/root:/bin/sh\n"),
        "not an ELF file"
    );
    assert_eq!(patched(CLASS, 1), format!("{no_module}a 32-bit ELF file"));
    assert_eq!(
        patched(DATA, 2),
        format!("{no_module}a big-endian ELF file")
    );
    assert_eq!(patched(TYPE, 2), format!("{no_module}an executable"));
    assert_eq!(patched(TYPE, 4), format!("{no_module}a core dump"));
    assert_eq!(patched(MACHINE, 183), format!("{no_module}for aarch64"));
    assert_eq!(
        patched(MACHINE, 255),
        format!("{no_module}for machine number 255")
    );
}

#[test]
fn exactly_one_symbol_table_is_taken() {
    const PROGBITS: u32 = 1;
    const SYMTAB: u32 = 2;
    const STRTAB: u32 = 3;
    let mut bytes = sample().finish();
    retype_section(&mut bytes, STRTAB, SYMTAB);
    assert_eq!(
        refusal_of(&bytes),
        "cannot be loaded: it has several symbol tables, and the FreeBSD loader takes exactly one"
    );
    let mut bytes = sample().finish();
    retype_section(&mut bytes, SYMTAB, PROGBITS);
    assert_eq!(
        refusal_of(&bytes),
        "cannot be loaded: it has no symbol table (were all symbols stripped?)"
    );
}

/// Changes the type of the first section of one type.
fn retype_section(bytes: &mut [u8], from: u32, to: u32) {
    const E_SHOFF: usize = 40;
    const SH_TYPE: usize = 4;
    const SIZEOF_SHDR: usize = 64;
    let shoff = u64::from_le_bytes(bytes[E_SHOFF..][..8].try_into().unwrap()) as usize;
    let mut headers = bytes[shoff..].chunks_exact_mut(SIZEOF_SHDR);
    let header = headers
        .find(|header| header[SH_TYPE..][..4] == from.to_le_bytes())
        .unwrap();
    header[SH_TYPE..][..4].copy_from_slice(&to.to_le_bytes());
}

#[test]
fn every_truncation_is_refused() {
    let bytes = sample().finish();
    for length in 0..bytes.len() {
        let message = refusal_of(&bytes[..length]);
        assert!(
            length < 4 || message.starts_with("damaged or truncated: "),
            "{length} bytes: {message}"
        );
    }
}
