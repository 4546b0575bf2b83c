//! The pages that the sections get, and the access rights of each.
//!
//! link_elf_load_file() places the sections one after another, in the order of the file, each at
//! its alignment. link_elf_protect() gives a page the rights of all sections in it.

use super::{Elf, loader};
use object::LittleEndian as LE;
use object::elf;
use object::read::elf::SectionHeader;
use std::collections::BTreeMap;

/// The size of a page, and the largest alignment that the loader's own base address has.
pub const PAGE_SIZE: u64 = 4096;

/// The pages that are both writable and executable.
pub fn shared(file: &Elf<'_>) -> Vec<String> {
    let table = file.elf_section_table();
    let mut pages = BTreeMap::<u64, (elf::SectionFlags, Vec<&str>)>::new();
    let mut end = 0;
    for section in table.iter().filter(|section| loader::is_loaded(*section)) {
        let start = u64::next_multiple_of(end, section.sh_addralign(LE).max(1));
        end = start + section.sh_size(LE);
        let name = table
            .section_name(LE, section)
            .ok()
            .and_then(|name| str::from_utf8(name).ok())
            .unwrap_or("?");
        for page in start / PAGE_SIZE..end.div_ceil(PAGE_SIZE) {
            let (flags, names) = pages.entry(page).or_default();
            *flags |= section.sh_flags(LE);
            names.push(name);
        }
    }
    let both = |flags: elf::SectionFlags| {
        flags.contains(elf::SHF_WRITE) && flags.contains(elf::SHF_EXECINSTR)
    };
    let wrong = pages.into_iter().filter(|(_, (flags, _))| both(*flags));
    wrong
        .map(|(page, (_, names))| {
            format!(
                "page {page} is both writable and executable: it has {}",
                names.join(", ")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::module::check::fixture::{CALL, Module};

    #[test]
    fn a_page_that_is_writable_and_executable() {
        let found = Module::good(&CALL).check_unpadded();
        assert_eq!(
            found,
            "page 0 is both writable and executable: it has .text, .data, set_modmetadata_set"
        );
    }

    #[test]
    fn the_last_page_of_code() {
        let found = Module::good(&[0x90; 4097]).check_unpadded();
        assert_eq!(
            found,
            "page 1 is both writable and executable: it has .text, .data, set_modmetadata_set"
        );
    }
}
