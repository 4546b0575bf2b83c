//! The contents of a module's file. Nothing is loaded or executed.

mod print;
mod sysinit;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use object::elf;

use super::elf::{Object, Place};
use super::error::LoadError;
use super::metadata::{self, Metadata};
use super::reloc;

pub use self::sysinit::Sysinit;

/// The contents of a module's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Bytes of the file.
    pub file_size: usize,
    /// The operating system that the ELF header names; `SYSV` names none.
    pub os_abi: String,
    /// Its metadata records, in file order.
    pub metadata: Vec<Metadata>,
    /// The sections that a loader puts into memory.
    pub sections: Vec<SectionInfo>,
    /// The relocations of those sections, counted by type.
    pub relocations: Vec<RelocationCount>,
    /// Symbols that it takes from the kernel or other modules, sorted.
    pub undefined: Vec<String>,
    /// The functions that run at load, in the order of execution.
    pub sysinits: Vec<Sysinit>,
    /// The functions that run at unload, in the order of execution.
    pub sysuninits: Vec<Sysinit>,
    /// Unreadable parts, and unusual properties.
    pub remarks: Vec<String>,
}

/// A section in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionInfo {
    /// Its name.
    pub name: String,
    /// Bytes in memory.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
    /// Whether the module may write to it.
    pub write: bool,
    /// Whether it holds instructions.
    pub execute: bool,
    /// Whether the file contains its bytes. Otherwise, they are zeros.
    pub in_file: bool,
}

/// How often a relocation type is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelocationCount {
    /// Such as `R_X86_64_PC32`.
    pub name: String,
    /// Number of relocations.
    pub count: usize,
    /// Whether the FreeBSD loader would refuse, or worse, ignore it.
    pub refused: bool,
}

/// Takes a module's file apart.
///
/// # Errors
///
/// [`LoadError`] when it is not a relocatable ELF file for amd64, or is too damaged to read. A part
/// that cannot be found becomes a remark.
pub fn inspect(bytes: &[u8]) -> Result<Report, LoadError> {
    let object = Object::parse(bytes)?;
    let mut remarks = Vec::new();
    let mut metadata = Vec::new();
    for record in metadata::read(&object)? {
        match record {
            Ok(record) => metadata.push(record),
            Err(why) => remarks.push(why),
        }
    }
    if !metadata
        .iter()
        .any(|record| matches!(record, Metadata::Module { .. }))
    {
        remarks.push(
            "it declares no module; FreeBSD would still load it, and run its sysinits".into(),
        );
    }
    if !metadata
        .iter()
        .any(|record| matches!(record, Metadata::Depend { on, .. } if on == "kernel"))
    {
        remarks.push("it has no kernel version; any kernel would load it".into());
    }
    let names = sysinit::place_names(&object);
    let mut sysinits = sysinit::read(&object, &names, "sysinit_set", &mut remarks)?;
    sysinits.sort_by_key(|one| (one.subsystem, one.order));
    let mut sysuninits = sysinit::read(&object, &names, "sysuninit_set", &mut remarks)?;
    sysuninits.sort_by_key(|one| Reverse((one.subsystem, one.order)));
    Ok(Report {
        file_size: bytes.len(),
        os_abi: os_abi(object.os_abi),
        metadata,
        sections: sections(&object),
        relocations: relocations(&object),
        undefined: undefined(&object),
        sysinits,
        sysuninits,
        remarks,
    })
}

fn os_abi(os_abi: elf::OsAbi) -> String {
    match os_abi.name() {
        Some(name) => name.trim_start_matches("ELFOSABI_").to_owned(),
        None => format!("number {}", os_abi.0),
    }
}

fn sections(object: &Object) -> Vec<SectionInfo> {
    let loaded = object.sections.iter().filter(|section| section.is_loaded());
    loaded
        .map(|section| SectionInfo {
            name: section.name.to_owned(),
            size: section.size,
            align: section.align,
            write: section.is_writable(),
            execute: section.is_executable(),
            in_file: section.kind != elf::SHT_NOBITS,
        })
        .collect()
}

fn relocations(object: &Object) -> Vec<RelocationCount> {
    let mut counts = BTreeMap::new();
    for relocation in object
        .sections
        .iter()
        .flat_map(|section| &section.relocations)
    {
        *counts.entry(relocation.kind.0).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .map(|(kind, count)| {
            let kind = elf::RelocationType(kind);
            RelocationCount {
                name: reloc::kind_name(kind),
                count,
                refused: !reloc::is_known(kind),
            }
        })
        .collect()
}

/// All undefined symbols, except the bounds of the module's own sections, which the loader
/// provides.
fn undefined(object: &Object) -> Vec<String> {
    let is_bound = |name: &str| {
        let section = name
            .strip_prefix("__start_")
            .or_else(|| name.strip_prefix("__stop_"));
        section.is_some_and(|section| object.loaded_section(section).is_some())
    };
    let undefined = object
        .symbols
        .iter()
        .filter(|symbol| symbol.place == Place::Undefined);
    let names: BTreeSet<&str> = undefined.map(|symbol| symbol.name).collect();
    names
        .into_iter()
        .filter(|name| !name.is_empty() && !is_bound(name))
        .map(str::to_owned)
        .collect()
}
