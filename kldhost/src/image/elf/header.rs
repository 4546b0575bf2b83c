//! The ELF header, and where the section headers are.

use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, SectionHeader64};
use object::pod;
use object::read::elf::FileHeader as _;

use crate::image::error::{LoadError, damaged};

/// The header, of a file that is a module for amd64.
pub fn file_header(bytes: &[u8]) -> Result<&FileHeader64<LE>, LoadError> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(LoadError::NotElf);
    }
    let Ok((header, _)) = pod::from_bytes::<FileHeader64<LE>>(bytes) else {
        return Err(damaged("the file ends within the ELF header"));
    };
    let refuse = |why: String| Err(LoadError::NotAModule(why));
    if header.e_ident.class != elf::ELFCLASS64 {
        return refuse("it is a 32-bit ELF file".into());
    }
    if header.e_ident.data != elf::ELFDATA2LSB {
        return refuse("it is a big-endian ELF file".into());
    }
    let machine = header.e_machine.get(LE);
    if machine != elf::EM_X86_64 {
        return refuse(format!("it is for {}", machine_name(machine)));
    }
    match header.e_type.get(LE) {
        elf::ET_REL => {}
        elf::ET_EXEC => return refuse("it is an executable".into()),
        elf::ET_DYN => {
            return refuse("it is a shared object or a position-independent executable".into());
        }
        elf::ET_CORE => return refuse("it is a core dump".into()),
        other => return refuse(format!("it is an ELF file of type {}", other.0)),
    }
    if header.e_ident.version != elf::EV_CURRENT
        || header.e_version.get(LE) != u32::from(elf::EV_CURRENT.0)
    {
        return Err(damaged("the ELF version is not 1"));
    }
    if usize::from(header.e_shentsize.get(LE)) != size_of::<SectionHeader64<LE>>() {
        return Err(damaged("the section headers have an unknown size"));
    }
    Ok(header)
}

fn machine_name(machine: elf::Machine) -> String {
    match machine.name() {
        Some(name) => name.trim_start_matches("EM_").to_lowercase(),
        None => format!("machine number {}", machine.0),
    }
}

/// The section headers, of which there is at least one.
pub fn section_headers<'a>(
    header: &FileHeader64<LE>,
    bytes: &'a [u8],
) -> Result<&'a [SectionHeader64<LE>], LoadError> {
    match header.section_headers(LE, bytes) {
        Ok([]) => Err(damaged("it has no sections")),
        Ok(headers) => Ok(headers),
        Err(_) => Err(damaged(format!(
            "the section headers at byte {} are beyond the end of the file ({} bytes)",
            header.e_shoff.get(LE),
            bytes.len()
        ))),
    }
}
