//! The report as text.

use std::fmt;

use super::{Report, SectionInfo, Sysinit};
use crate::image::Metadata;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} bytes, relocatable ELF for amd64, OSABI {}",
            self.file_size, self.os_abi
        )?;
        for record in &self.metadata {
            metadata(f, record)?;
        }
        writeln!(
            f,
            "\nSections in memory\n  {:>8}  align  flags  name",
            "size"
        )?;
        for section in &self.sections {
            writeln!(
                f,
                "  {:>8}  {:>5}  {:<5}  {}",
                section.size,
                section.align,
                flags(section),
                section.name
            )?;
        }
        writeln!(
            f,
            "\nRelocations: {}",
            self.relocations
                .iter()
                .map(|count| count.count)
                .sum::<usize>()
        )?;
        for count in &self.relocations {
            let remark = if count.refused {
                "  <- the FreeBSD loader does not apply this type"
            } else {
                ""
            };
            writeln!(f, "  {:>8}  {}{remark}", count.count, count.name)?;
        }
        writeln!(f, "\nUndefined symbols: {}", self.undefined.len())?;
        for name in &self.undefined {
            writeln!(f, "  {name}")?;
        }
        sysinits(f, "Sysinits, as they run at load", &self.sysinits)?;
        sysinits(f, "Sysuninits, as they run at unload", &self.sysuninits)?;
        if !self.remarks.is_empty() {
            writeln!(f, "\nRemarks")?;
        }
        for remark in &self.remarks {
            writeln!(f, "  {remark}")?;
        }
        Ok(())
    }
}

fn metadata(f: &mut fmt::Formatter<'_>, record: &Metadata) -> fmt::Result {
    match record {
        Metadata::Module { name } => writeln!(f, "  module    {name}"),
        Metadata::Version { name, version } => writeln!(f, "  provides  {name} version {version}"),
        Metadata::Depend { on, min, pref, max } if on == "kernel" => {
            writeln!(
                f,
                "  needs     kernel {min} to {max}, made for {pref} ({})",
                releases(*min, *max)
            )
        }
        Metadata::Depend { on, min, pref, max } => {
            writeln!(f, "  needs     {on} version {min} to {max}, prefers {pref}")
        }
        Metadata::Other { kind } => writeln!(f, "  record    of type {kind}"),
    }
}

/// The releases in a range of `__FreeBSD_version`.
fn releases(min: i32, max: i32) -> String {
    let (first, last) = (min / 100_000, max / 100_000);
    let minor = min / 1000 % 100;
    if first == last {
        format!("FreeBSD {first}.{minor} and later {first}.x")
    } else {
        format!("FreeBSD {first}.{minor} to {last}.x")
    }
}

/// As readelf(1) does: W writable, A in memory, X executable; and Z for zeros that the file does
/// not hold.
fn flags(section: &SectionInfo) -> String {
    let flags = [
        (section.write, 'W'),
        (true, 'A'),
        (section.execute, 'X'),
        (!section.in_file, 'Z'),
    ];
    flags
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, letter)| letter)
        .collect()
}

fn sysinits(f: &mut fmt::Formatter<'_>, title: &str, sysinits: &[Sysinit]) -> fmt::Result {
    if sysinits.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    let width = |text: fn(&Sysinit) -> String| {
        sysinits
            .iter()
            .map(|one| text(one).len())
            .max()
            .unwrap_or(0)
    };
    let (subsystem, order) = (width(Sysinit::subsystem_name), width(Sysinit::order_name));
    for one in sysinits {
        let argument = one.argument.as_deref().unwrap_or("NULL");
        writeln!(
            f,
            "  {:<subsystem$}  {:<order$}  {}({argument})",
            one.subsystem_name(),
            one.order_name(),
            one.function
        )?;
    }
    Ok(())
}
