//! The module's own declarations, `<sys/module.h>`: its name, and the kernels that it is for.

use super::{Elf, Section, target, u32_at};
use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection};

/// `md_type` of MODULE_DEPEND and of DECLARE_MODULE.
const MDT_DEPEND: u32 = 1;
const MDT_MODULE: u32 = 2;

/// An entry of the linker set, struct mod_metadata.
struct Entry<'a, 'f> {
    md_type: u32,
    section: Section<'a, 'f>,
    at: u64,
    name: &'a [u8],
}

/// The kernel versions that the module's MODULE_DEPEND on `kernel` asks for.
pub fn kernel_range(file: &Elf<'_>) -> Result<(u32, u32)> {
    for entry in entries(file)? {
        if entry.md_type == MDT_DEPEND && entry.name == b"kernel" {
            // struct mod_depend: int md_ver_minimum, md_ver_preferred, md_ver_maximum.
            let (section, at) = pointer(file, &entry.section, entry.at + 8)?;
            return Ok((
                u32_at(section.data()?, at)?,
                u32_at(section.data()?, at + 8)?,
            ));
        }
    }
    bail!("no MODULE_DEPEND on kernel: any kernel would load it")
}

/// Fails unless a module is in the file.
pub fn is_declared(file: &Elf<'_>) -> Result<()> {
    let declared = entries(file)?
        .iter()
        .any(|entry| entry.md_type == MDT_MODULE);
    ensure!(declared, "no DECLARE_MODULE in its set_modmetadata_set");
    Ok(())
}

/// Whether a module of this name is in the file.
pub fn declares(file: &Elf<'_>, name: &str) -> bool {
    let entries = entries(file).unwrap_or_default();
    entries
        .iter()
        .any(|entry| entry.md_type == MDT_MODULE && entry.name == name.as_bytes())
}

fn entries<'a, 'f>(file: &'f Elf<'a>) -> Result<Vec<Entry<'a, 'f>>> {
    let set = file
        .section_by_name("set_modmetadata_set")
        .context("no set_modmetadata_set: no module is declared")?;
    let entry = |relocation| {
        // struct mod_metadata: int md_version, int md_type, const void *md_data, const char
        // *md_cval.
        let (section, at) = target(file, &relocation)?;
        let md_type = u32_at(section.data()?, at + 4)?;
        let (cval, start) = pointer(file, &section, at + 16)?;
        let name = cval.data()?.get(start as usize..).unwrap_or_default();
        Ok(Entry {
            md_type,
            section,
            at,
            name: name.split(|byte| *byte == 0).next().unwrap_or_default(),
        })
    };
    set.relocations()
        .map(|(_, relocation)| entry(relocation))
        .collect()
}

/// The target of the pointer at an offset into a section.
fn pointer<'a, 'f>(
    file: &'f Elf<'a>,
    section: &Section<'a, 'f>,
    offset: u64,
) -> Result<(Section<'a, 'f>, u64)> {
    let found = section.relocations().find(|(place, _)| *place == offset);
    target(
        file,
        &found.context("a modmetadata without its pointers")?.1,
    )
}

#[cfg(test)]
mod tests {
    use crate::module::check::fixture::{CALL, Module};

    #[test]
    fn kernel_versions() {
        let found = Module::new(&CALL, 1_500_068, 1_500_068).check();
        assert_eq!(
            found,
            "asks for kernels 1500068 to 1500068, not 1500068 to 1599999"
        );
    }
}
