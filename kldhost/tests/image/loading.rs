//! Loading: the memory that a module finds.

use crate::elf::{Ko, sample};
use kldhost::fault::{self, Fault};
use kldhost::image::{Image, LoadError, Metadata};
use object::elf::{R_X86_64_32S, R_X86_64_64, R_X86_64_NONE, R_X86_64_PC32, RelocationType};

extern "C" fn oracle() -> u32 {
    7
}

fn resolve(name: &str) -> Option<usize> {
    matches!(name, "oracle" | "module_register_init").then_some(oracle as *const () as usize)
}

pub fn load(ko: &Ko) -> Result<Image, LoadError> {
    Image::load(&ko.finish(), &resolve)
}

/// The message with which a file is refused.
pub fn refusal(ko: &Ko) -> String {
    refusal_of(&ko.finish())
}

pub fn refusal_of(bytes: &[u8]) -> String {
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
pub fn with_relocation(kind: RelocationType, offset: u64, addend: i64) -> Ko {
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
        // SAFETY: there are no references to the image's bytes, and a byte of data may become 0.
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
    let missing = ko.weak("missing");
    ko.relocate(data, 0, R_X86_64_64, fixed, 0);
    ko.relocate(data, 8, R_X86_64_64, missing, 0);
    let here = ko.data("here", data, 0);
    ko.relocate(data, 16, R_X86_64_NONE, here, 0);
    let image = load(&ko).unwrap();
    let here = image.symbol("here").unwrap();
    assert_eq!((word(here), word(here + 8)), (0x1234, 0));
}
