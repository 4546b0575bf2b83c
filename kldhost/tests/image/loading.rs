//! Loading: what a module finds in memory, and what is refused with which words.

use crate::elf::{Ko, sample, words};
use kldhost::fault::{self, Fault};
use kldhost::image::{Image, LoadError, Metadata};
use object::elf::{
    R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_GOTPCREL, R_X86_64_NONE, R_X86_64_PC32,
    R_X86_64_PC64, RelocationType,
};

extern "C" fn oracle() -> u32 {
    7
}

fn resolve(name: &str) -> Option<usize> {
    matches!(name, "oracle" | "module_register_init").then_some(oracle as *const () as usize)
}

fn load(ko: &Ko) -> Result<Image, LoadError> {
    Image::load(&ko.finish(), &resolve)
}

/// The message with which a file is refused.
fn refusal(ko: &Ko) -> String {
    refusal_of(&ko.finish())
}

fn refusal_of(bytes: &[u8]) -> String {
    match Image::load(bytes, &resolve) {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error.to_string(),
    }
}

fn call(image: &Image, function: &str) -> u32 {
    let address = image.symbol(function).unwrap();
    // SAFETY: the functions of `sample` take nothing and return an int.
    unsafe { std::mem::transmute::<usize, extern "C" fn() -> u32>(address)() }
}

fn word(address: usize) -> usize {
    // SAFETY: the tests pass addresses of data in an image that is loaded.
    unsafe { (address as *const usize).read_unaligned() }
}

/// A file with a .text of eight bytes and one relocation in it.
fn with_relocation(kind: RelocationType, offset: u64, addend: i64) -> Ko {
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", &[0; 8], 16);
    let target = ko.function("target", text, 4);
    ko.relocate(text, offset, kind, target, addend);
    ko
}

#[test]
fn functions_run_and_reach_the_kernel() {
    let image = load(&sample()).unwrap();
    assert_eq!(call(&image, "answer"), 42);
    assert_eq!(call(&image, "ask"), 7);
}

#[test]
fn pointers_are_relocated() {
    let image = load(&sample()).unwrap();
    let pointers = image.symbol("pointers").unwrap();
    let pointer = |index: usize| word(pointers + 8 * index);
    assert_eq!(Some(pointer(0)), image.symbol("answer"));
    assert_eq!(Some(pointer(2)), image.symbol("zeros"));
    assert_eq!(Some(pointer(3)), image.symbol("shared"));
    assert_eq!(
        (pointer(2) % 32, word(pointer(2))),
        (0, 0),
        ".bss is aligned and zero"
    );
    assert_eq!(
        (pointer(3) % 16, word(pointer(3))),
        (0, 0),
        "common storage is aligned and zero"
    );
    let set = image.linker_set("sysinit_set");
    assert_eq!(set, [image.symbol("sample_sysinit").unwrap()]);
    assert_eq!(pointer(5) - pointer(4), 8, "the set's bounds");
    assert_eq!(word(pointer(4)), set[0]);
    assert_eq!(
        word(set[0] + 16),
        oracle as *const () as usize,
        "what only pointers use needs no stub"
    );
    assert!(image.linker_set("no_such_set").is_empty());
}

#[test]
fn metadata_is_read() {
    let image = load(&sample()).unwrap();
    let name = || "sample".to_owned();
    let expected = [
        Metadata::Module { name: name() },
        Metadata::Depend {
            on: "kernel".into(),
            min: 1500068,
            pref: 1500068,
            max: 1599999,
        },
        Metadata::Version {
            name: name(),
            version: 3,
        },
    ];
    assert_eq!(image.metadata(), expected);
}

#[test]
fn addresses_have_names() {
    let image = load(&sample()).unwrap();
    let name = |address| image.symbolize(address);
    let ask = image.symbol("ask").unwrap();
    assert_eq!(name(ask), Some(("ask".into(), 0)));
    assert_eq!(name(ask + 9), Some(("ask".into(), 9)));
    assert_eq!(
        name(image.symbol("shared").unwrap() + 3),
        Some(("shared".into(), 3))
    );
    let oracle_in_module = word(image.symbol("pointers").unwrap() + 8);
    assert_eq!(
        name(oracle_in_module + 1),
        Some(("oracle (jump stub)".into(), 1))
    );
    assert_eq!(name(oracle as *const () as usize), None);
    assert!(image.contains(ask) && !image.contains(oracle as *const () as usize));
}

#[test]
fn rust_names_are_readable() {
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", &[0xc3], 1);
    ko.function("_ZN4echo6device4read17h0123456789abcdefE", text, 0);
    let image = load(&ko).unwrap();
    let address = image
        .symbol("_ZN4echo6device4read17h0123456789abcdefE")
        .unwrap();
    assert_eq!(
        image.symbolize(address),
        Some(("echo::device::read".into(), 0))
    );
}

#[test]
fn memory_is_protected() {
    fault::install();
    let image = load(&sample()).unwrap();
    let write = |address: usize| {
        let byte = 0u8;
        // SAFETY: nobody refers to the image's bytes, and a byte of data may become 0.
        unsafe { fault::copy_user(address as *mut u8, &byte, 1) }
    };
    assert_eq!(write(image.symbol("answer").unwrap()), Err(Fault));
    assert_eq!(
        write(word(image.symbol("pointers").unwrap() + 32)),
        Err(Fault),
        "a constant"
    );
    assert_eq!(write(image.symbol("zeros").unwrap()), Ok(()));
}

#[test]
fn images_leave_nothing_behind() {
    let bytes = sample().finish();
    // More than there are places for at a time.
    for _ in 0..5000 {
        Image::load(&bytes, &resolve).unwrap();
    }
}

#[test]
fn narrow_relocations_reach_within_the_image() {
    let image = load(&with_relocation(R_X86_64_32S, 0, 3)).unwrap();
    let target = image.symbol("target").unwrap();
    assert_eq!(word(target - 4) as u32 as usize, target + 3);
    let image = load(&with_relocation(R_X86_64_PC32, 0, -1)).unwrap();
    assert_eq!(word(image.symbol("target").unwrap() - 4) as u32, 3);
    let image = load(&with_relocation(R_X86_64_NONE, u64::MAX, 0)).unwrap();
    assert_eq!(word(image.symbol("target").unwrap() - 4), 0);
}

#[test]
fn absolute_and_weak_symbols() {
    let mut ko = Ko::new();
    let data = ko.section(".data", "WA", &[0xff; 16], 8);
    let fixed = ko.absolute("fixed", 0x1234);
    let nobody = ko.weak("nobody");
    ko.relocate(data, 0, R_X86_64_64, fixed, 0);
    ko.relocate(data, 8, R_X86_64_64, nobody, 0);
    let here = ko.data("here", data, 0);
    ko.relocate(data, 16, R_X86_64_NONE, here, 0);
    let image = load(&ko).unwrap();
    let here = image.symbol("here").unwrap();
    assert_eq!((word(here), word(here + 8)), (0x1234, 0));
}

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
    let beyond = "it lies beyond the end of the section";
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
    assert!(refusal(&ko).ends_with("it lies beyond the end of the section"));
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
        "cannot be loaded: .text wants an alignment of 8192, and 4096 is the most there is"
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
        "cannot be loaded: it has two sections set_sysinit_set, and FreeBSD would see only the first"
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
        "cannot be loaded: it has no symbol table (was it stripped of all symbols?)"
    );
}

/// Gives the first section of one type another.
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
