//! Checks a finished module as the FreeBSD loader and a careful reviewer would.

mod code;
mod filterops;
#[cfg(test)]
mod fixture;
mod flow;
mod leaving;
mod loader;
mod metadata;
mod pages;
mod symbols;

use crate::module::toolchain::Freebsd;
use anyhow::{Context, Result, bail, ensure};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader};
use object::{
    LittleEndian as LE, Object, ObjectSection, ObjectSymbol, ReadRef, RelocationTarget, SymbolKind,
};
use std::fs;
use std::path::Path;

/// The largest finished module, in bytes.
const MAX_SIZE: usize = 36 << 10;

type Elf<'a> = ElfFile64<'a, LE>;
type Section<'a, 'f> = object::read::elf::ElfSection64<'a, 'f, LE>;

/// Prints a summary of the module in a file. If `freebsd` is given, the module must ask for that
/// release line, from its first release on.
pub fn print(module: &Path, freebsd: Option<Freebsd>) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let summary = check(&bytes, freebsd.map(Freebsd::osreldate))
        .with_context(|| module.display().to_string())?;
    println!("{}: {summary}", module.display());
    Ok(())
}

/// Fails unless there is a module in the file, of whatever quality.
pub fn is_module(file: &Path) -> Result<()> {
    ensure!(file.is_file(), "there is no file {}", file.display());
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let declared = parse(&bytes).and_then(|elf| metadata::is_declared(&elf));
    declared.with_context(|| format!("{} is not a kernel module of FreeBSD", file.display()))
}

/// Reads the headers of a relocatable file for amd64.
fn parse(bytes: &[u8]) -> Result<Elf<'_>> {
    let file = Elf::parse(bytes).context("not a 64-bit little-endian ELF file")?;
    let header = file.elf_header();
    ensure!(
        header.e_machine(LE) == elf::EM_X86_64,
        "not for amd64: machine {}",
        header.e_machine(LE)
    );
    ensure!(
        header.e_type(LE) == elf::ET_REL,
        "not a relocatable file (ET_REL): type {}",
        header.e_type(LE)
    );
    Ok(file)
}

/// Checks the module in `bytes`. If `osreldate` is given, the module must ask for that kernel
/// version. Returns a summary, or everything that is wrong.
fn check(bytes: &[u8], osreldate: Option<u32>) -> Result<String> {
    let file = parse(bytes)?;

    let mut wrong = Vec::new();
    if bytes.len() > MAX_SIZE {
        wrong.push(format!("{} bytes, more than {MAX_SIZE}", bytes.len()));
    }
    wrong.extend(loader::special(&file));
    wrong.extend(pages::shared(&file));
    wrong.extend(symbols::relocations(&file));
    wrong.extend(symbols::imports(&file, osreldate.is_some()));
    let (text, bad) = code::instructions(&file)?;
    wrong.extend(bad);
    let (tables, bad) = filterops::tables(&file)?;
    wrong.extend(bad);
    let (leaving, bad) = leaving::functions(&file, &tables)?;
    wrong.extend(bad);
    let range = metadata::kernel_range(&file);
    match (&range, osreldate) {
        (Ok(asked), Some(osreldate)) => {
            let range = (osreldate, osreldate.next_multiple_of(100_000) - 1);
            if *asked != range {
                wrong.push(format!(
                    "asks for kernels {} to {}, not {} to {}",
                    asked.0, asked.1, range.0, range.1
                ));
            }
        }
        (Ok(_), None) => {}
        (Err(error), _) => wrong.push(format!("{error:#}")),
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n  "));
    }
    let (first, last) = range?;
    let names = |names: &[String]| {
        if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        }
    };
    Ok(format!(
        "{} bytes, {text} of text, for kernels {first} to {last}\n  \
         filterops with a tail of zeroes: {}\n  end in a jump into the kernel: {}",
        bytes.len(),
        names(
            &tables
                .iter()
                .map(|table| table.name.clone())
                .collect::<Vec<_>>()
        ),
        names(&leaving),
    ))
}

/// An offset into a section, as the function before it and the distance.
fn place<'a>(file: &Elf<'a>, section: &Section<'a, '_>, offset: u64) -> String {
    let functions = file.symbols().filter(|symbol| {
        symbol.section_index() == Some(section.index())
            && symbol.kind() == SymbolKind::Text
            && symbol.address() <= offset
    });
    match functions.max_by_key(|symbol| symbol.address()) {
        Some(symbol) => format!(
            "{}+{:#x}",
            symbol.name().unwrap_or("?"),
            offset - symbol.address()
        ),
        None => format!("{}+{offset:#x}", section.name().unwrap_or("?")),
    }
}

/// The section and offset that a relocation of a pointer leads to.
fn target<'f, 'a>(
    file: &'f Elf<'a>,
    relocation: &object::Relocation,
) -> Result<(Section<'a, 'f>, u64)> {
    let (index, value) = match relocation.target() {
        RelocationTarget::Symbol(index) => {
            let symbol = file.symbol_by_index(index)?;
            (
                symbol
                    .section_index()
                    .context("a pointer that must be local leads outside")?,
                symbol.address(),
            )
        }
        _ => bail!("a pointer leads nowhere"),
    };
    Ok((
        file.section_by_index(index)?,
        value.wrapping_add(relocation.addend() as u64),
    ))
}

/// The number at an offset into a section's bytes.
fn u32_at(data: &[u8], at: u64) -> Result<u32> {
    let bytes = data
        .read_bytes_at(at, 4)
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    Ok(u32::from_le_bytes(bytes.context(
        "a structure reaches over the end of its section",
    )?))
}

#[cfg(test)]
mod tests {
    use super::fixture::{CALL, Module, OSRELDATE};
    use super::{check, is_module};
    use object::elf;

    #[test]
    fn a_good_module_passes() {
        let found = Module::good(&CALL)
            .call("wakeup", elf::R_X86_64_PLT32)
            .check();
        let first = found.lines().next().unwrap();
        assert!(
            first.ends_with("6 of text, for kernels 1500068 to 1599999"),
            "{found}"
        );
    }

    #[test]
    fn size() {
        let found = Module::good(&[0x90; 37 << 10]).check();
        assert!(found.contains("bytes, more than 36864"), "{found}");
    }

    #[test]
    fn files_that_are_no_modules() {
        let dir = std::env::temp_dir().join(format!("xtask-check-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let written = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let declared = Module::good(&CALL).named("other").bytes();
        is_module(&written("declared", &declared)).unwrap();
        let message = |path: &std::path::Path| format!("{:#}", is_module(path).unwrap_err());
        let missing = dir.join("missing");
        assert_eq!(
            message(&missing),
            format!("there is no file {}", missing.display())
        );
        let script = written("script", b"#!/bin/sh\n");
        assert!(
            message(&script).starts_with(&format!(
                "{} is not a kernel module of FreeBSD: not a 64-bit little-endian ELF file",
                script.display()
            )),
            "{}",
            message(&script)
        );
        let undeclared = written("undeclared", &Module::good(&CALL).bytes());
        assert!(
            message(&undeclared).ends_with("no DECLARE_MODULE in its set_modmetadata_set"),
            "{}",
            message(&undeclared)
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_is_no_module_at_all() {
        assert_eq!(
            format!("{:#}", check(b"#!/bin/sh\n", Some(OSRELDATE)).unwrap_err())
                .split(':')
                .next(),
            Some("not a 64-bit little-endian ELF file")
        );
    }
}
