//! `kldhost inspect`, as a function and as a command.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::elf::{Ko, sample, words};
use kldhost::image::Metadata;
use kldhost::inspect::{SectionInfo, inspect};
use object::elf::{R_X86_64_32, R_X86_64_64};
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness};

#[test]
fn a_module_is_described() {
    let report = inspect(&sample().finish()).unwrap();
    assert_eq!(report.os_abi, "SYSV");
    assert_eq!(report.metadata.len(), 3);
    assert_eq!(
        report.metadata[0],
        Metadata::Module {
            name: "sample".into()
        }
    );
    assert_eq!(report.undefined, ["module_register_init", "oracle"]);
    let bss = SectionInfo {
        name: ".bss".into(),
        size: 64,
        align: 32,
        write: true,
        execute: false,
        in_file: false,
    };
    assert!(report.sections.contains(&bss));
    let counts: Vec<_> = report
        .relocations
        .iter()
        .map(|count| (&count.name[..], count.count, count.refused))
        .collect();
    assert_eq!(
        counts,
        [("R_X86_64_64", 17, false), ("R_X86_64_PLT32", 1, false)]
    );
    let [sysinit] = &report.sysinits[..] else {
        panic!("{:?}", report.sysinits)
    };
    assert_eq!((sysinit.subsystem, sysinit.order), (0x310_0000, 0x100_0000));
    assert_eq!(
        (&sysinit.function[..], sysinit.argument.as_deref()),
        ("module_register_init", Some("zeros"))
    );
    assert!(report.sysuninits.is_empty() && report.remarks.is_empty());
}

/// A file with these sysinits: subsystem, order, and the words between them and the function.
fn with_sysinits(sysinits: &[(u32, u32, &[u32])]) -> Ko {
    let mut ko = Ko::new();
    let set = ko.section("set_sysinit_set", "A", &vec![0; 8 * sysinits.len()], 8);
    for (number, (subsystem, order, link)) in (0..).zip(sysinits) {
        let function = ko.undefined(&format!("function{number}"));
        let record = [&[*subsystem, *order], *link, &[0; 4]].concat();
        let section = ko.section(".data", "WA", &words(&record), 8);
        let symbol = ko.section_symbol(section);
        ko.relocate(section, 8 + 4 * link.len() as u64, R_X86_64_64, function, 0);
        ko.relocate(set, 8 * number, R_X86_64_64, symbol, 0);
    }
    ko
}

#[test]
fn sysinits_of_all_releases_are_read_in_their_order() {
    let ko = with_sysinits(&[
        (0x310_0000, 0x100_0000, &[0, 0]),
        (0x180_0000, 2, &[]),
        (0x180_0000, 1, &[0, 0]),
        (0x123, 0x100_0005, &[]),
        (0xfff_ffff, 0xfff_ffff, &[]),
        (0xfff_ffff, 0x77, &[]),
    ]);
    let report = inspect(&ko.finish()).unwrap();
    let names: Vec<_> = report
        .sysinits
        .iter()
        .map(|one| {
            format!(
                "{} {} {}",
                one.subsystem_name(),
                one.order_name(),
                one.function
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "0x123 SI_ORDER_MIDDLE+5 function3",
            "SI_SUB_KMEM SI_ORDER_SECOND function2",
            "SI_SUB_KMEM SI_ORDER_THIRD function1",
            "SI_SUB_DRIVERS SI_ORDER_MIDDLE function0",
            "SI_SUB_LAST 0x77 function5",
            "SI_SUB_LAST SI_ORDER_ANY function4",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_remarked() {
    let mut ko = Ko::new();
    let data = ko.section(".data", "WA", &words(&[1, 2, 0, 0, 0, 0]), 8);
    let record = ko.data("record", data, 0);
    let set = ko.section("set_modmetadata_set", "A", &[0; 8], 8);
    ko.relocate(set, 0, R_X86_64_64, record, 0);
    ko.section("set_sysuninit_set", "A", &[0; 8], 8);
    let report = inspect(&ko.finish()).unwrap();
    assert_eq!(
        report.remarks,
        [
            "metadata record 0 has no name",
            "it declares no module; FreeBSD would still load it, and run its sysinits",
            "it has no kernel version; any kernel would load it",
            "record 0 of sysuninit_set is not readable",
        ]
    );
}

#[test]
fn refused_relocations_are_marked() {
    let mut ko = sample();
    let extra = ko.section(".text.extra", "AX", &[0; 8], 8);
    let symbol = ko.section_symbol(extra);
    ko.relocate(extra, 0, R_X86_64_32, symbol, 0);
    let text = inspect(&ko.finish()).unwrap().to_string();
    assert!(
        text.contains("1  R_X86_64_32  <- the FreeBSD loader does not apply this type\n"),
        "{text}"
    );
}

#[test]
fn relocations_of_what_is_not_in_memory_are_not_counted() {
    let mut ko = sample();
    let debug = ko.section(".debug_info", "", &[0; 8], 8);
    let symbol = ko.section_symbol(debug);
    ko.relocate(debug, 0, R_X86_64_32, symbol, 0);
    assert!(
        inspect(&ko.finish())
            .unwrap()
            .relocations
            .iter()
            .all(|count| !count.refused)
    );
}

fn kldhost(file: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kldhost"))
        .arg("inspect")
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn the_command_prints_a_report() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sample.ko");
    fs::write(&file, sample().finish()).unwrap();
    let output = kldhost(&file);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(text.starts_with(&format!("{}: ", file.display())), "{text}");
    for line in [
        "  module    sample\n",
        "  needs     kernel 1500068 to 1599999, made for 1500068 (FreeBSD 15.0 and later 15.x)\n",
        "  provides  sample version 3\n",
        "        64     32  WAZ    .bss\n",
        "        17  R_X86_64_64\n",
        "Undefined symbols: 2\n  module_register_init\n  oracle\n",
        "  SI_SUB_DRIVERS  SI_ORDER_MIDDLE  module_register_init(zeros)\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

/// The command fails with one line on stderr, and no other output.
fn assert_fails(file: &Path, why: &str) {
    let output = kldhost(file);
    let expected = format!("kldhost: {}: {why}\n", file.display());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}

#[test]
fn the_command_refuses_what_is_no_module() {
    let directory = tempfile::tempdir().unwrap();
    let with = |bytes: &[u8]| {
        let file = directory.path().join("x.ko");
        fs::write(&file, bytes).unwrap();
        file
    };
    let aarch64 = Object::new(BinaryFormat::Elf, Architecture::Aarch64, Endianness::Little)
        .write()
        .unwrap();
    let whole = sample().finish();
    assert_fails("/etc/passwd".as_ref(), "not an ELF file");
    assert_fails(&with(b""), "not an ELF file");
    assert_fails(
        &with(&aarch64),
        "not a kernel module for FreeBSD/amd64: it is for aarch64",
    );
    let shoff = u64::from_le_bytes(whole[40..48].try_into().unwrap());
    assert_fails(
        &with(&whole[..1000]),
        &format!(
            "damaged or truncated: the section headers at byte {shoff} are beyond the end of the file (1000 bytes)"
        ),
    );
    assert_fails(
        &directory.path().join("none.ko"),
        "No such file or directory",
    );
    assert_fails(directory.path(), "Is a directory");
    assert_fails("/dev/zero".as_ref(), "Not a regular file");
}
