//! The relocations and undefined symbols that the kernel's loader can resolve.

use super::Elf;
use object::elf;
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags};
use std::collections::BTreeSet;

/// The relocation types that compilers emit and elf_reloc_internal() of the amd64 loader applies.
/// It refuses others against global symbols, with a misleading message. For local symbols, it
/// leaves the place unrelocated.
const RELOCATIONS: [elf::RelocationType; 5] = [
    elf::R_X86_64_NONE,
    elf::R_X86_64_64,
    elf::R_X86_64_PC32,
    elf::R_X86_64_PLT32,
    elf::R_X86_64_32S,
];

/// Relocations that the loader does not apply.
pub fn relocations(file: &Elf<'_>) -> Vec<String> {
    let mut wrong = BTreeSet::new();
    for section in file.sections() {
        for (offset, relocation) in section.relocations() {
            if let RelocationFlags::Elf { r_type } = relocation.flags()
                && !RELOCATIONS.contains(&r_type)
            {
                let name = section.name().unwrap_or("?");
                wrong.insert(format!(
                    "relocation of type {} at {name}+{offset:#x}: the loader does not apply it",
                    r_type.0
                ));
            }
        }
    }
    wrong.into_iter().collect()
}

/// Undefined symbols that a kernel does not have. With `release`, only the symbols that every
/// kernel has are allowed.
pub fn imports(file: &Elf<'_>, release: bool) -> Vec<String> {
    let exports: BTreeSet<_> = include_str!("../kernel-exports.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter(|line| !release || !line.contains(','))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let undefined = file
        .symbols()
        .filter(|symbol| symbol.is_undefined())
        .filter_map(|symbol| symbol.name().ok());
    undefined
        .filter(|name| !name.is_empty() && !exports.contains(name))
        .map(|name| format!("undefined symbol {name} is not in kernel-exports.txt"))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::module::check::check;
    use crate::module::check::fixture::{CALL, Module};
    use object::elf;

    #[test]
    fn a_relocation_that_the_loader_does_not_apply() {
        let found = Module::good(&CALL)
            .call("wakeup", elf::R_X86_64_GOTPCREL)
            .check();
        assert!(
            found.starts_with("relocation of type 9 at .text+0x1:"),
            "{found}"
        );
    }

    #[test]
    fn a_symbol_that_the_kernel_does_not_export() {
        let found = Module::good(&CALL)
            .call("__udivti3", elf::R_X86_64_PLT32)
            .check();
        assert_eq!(
            found,
            "undefined symbol __udivti3 is not in kernel-exports.txt"
        );
    }
    #[test]
    fn a_symbol_that_only_some_kernels_export() {
        for name in ["_sx_assert", "knote_triv_copy"] {
            let module = || Module::good(&CALL).call(name, elf::R_X86_64_PLT32);
            assert_eq!(
                module().check(),
                format!("undefined symbol {name} is not in kernel-exports.txt")
            );
            check(&module().bytes(), None).unwrap();
        }
    }
}
