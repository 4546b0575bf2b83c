//! Reads a finished module as the FreeBSD loader and a careful reviewer would, before anybody loads it.

use crate::toolchain::Freebsd;
use anyhow::{Context, Result, bail, ensure};
use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, InstructionInfoFactory, Register,
};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, SectionHeader};
use object::{
    LittleEndian as LE, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionKind, SymbolKind,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The largest finished module, in bytes.
const MAX_SIZE: usize = 24 << 10;

/// Of what compilers emit, what elf_reloc_internal() in the kernel's amd64 loader applies. It refuses others against global
/// symbols, with a misleading message, and leaves the place unrelocated for local ones.
const RELOCATIONS: [elf::RelocationType; 5] =
    [elf::R_X86_64_NONE, elf::R_X86_64_64, elf::R_X86_64_PC32, elf::R_X86_64_PLT32, elf::R_X86_64_32S];

type Elf<'a> = ElfFile64<'a, LE>;

/// Prints what there is to say about the module in a file; `freebsd` is the release line that it must ask for, from its
/// first release on, if that is known.
pub fn print(module: &Path, freebsd: Option<Freebsd>) -> Result<()> {
    let bytes = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let line = check(&bytes, freebsd.map(Freebsd::osreldate)).with_context(|| module.display().to_string())?;
    println!("{}: {line}", module.display());
    Ok(())
}

/// Checks the module in `bytes`; `osreldate` is the kernel version that it must ask for, if that is known. Gives a line
/// for people, or all that is wrong.
fn check(bytes: &[u8], osreldate: Option<u32>) -> Result<String> {
    let file = Elf::parse(bytes).context("not a 64-bit little-endian ELF file")?;
    let header = file.elf_header();
    ensure!(header.e_machine(LE) == elf::EM_X86_64, "not for amd64: machine {}", header.e_machine(LE));
    ensure!(header.e_type(LE) == elf::ET_REL, "not a relocatable file (ET_REL): type {}", header.e_type(LE));

    let mut wrong = Vec::new();
    if bytes.len() > MAX_SIZE {
        wrong.push(format!("{} bytes, more than {MAX_SIZE}", bytes.len()));
    }
    let symtabs = file.elf_section_table().iter().filter(|section| section.sh_type(LE) == elf::SHT_SYMTAB).count();
    if symtabs != 1 {
        wrong.push(format!("{symtabs} symbol tables; the loader takes exactly one"));
    }
    wrong.extend(relocations(&file));
    wrong.extend(imports(&file));
    let (text, bad) = instructions(&file)?;
    wrong.extend(bad);
    match (kernel_range(&file), osreldate) {
        (Ok(asked), Some(osreldate)) => {
            let range = (osreldate, osreldate.next_multiple_of(100_000) - 1);
            if asked != range {
                wrong.push(format!("asks for kernels {} to {}, not {} to {}", asked.0, asked.1, range.0, range.1));
            }
        }
        (Ok(_), None) => {}
        (Err(error), _) => wrong.push(format!("{error:#}")),
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n  "));
    }
    let (first, last) = kernel_range(&file)?;
    Ok(format!("{} bytes, {text} of text, for kernels {first} to {last}", bytes.len()))
}

fn relocations(file: &Elf<'_>) -> Vec<String> {
    let mut wrong = BTreeSet::new();
    for section in file.sections() {
        for (offset, relocation) in section.relocations() {
            if let RelocationFlags::Elf { r_type } = relocation.flags()
                && !RELOCATIONS.contains(&r_type)
            {
                let name = section.name().unwrap_or("?");
                wrong.insert(format!(
                    "relocation of type {} at {name}+{offset:#x}: the kernel's loader has no such",
                    r_type.0
                ));
            }
        }
    }
    wrong.into_iter().collect()
}

fn imports(file: &Elf<'_>) -> Vec<String> {
    let exports: BTreeSet<_> = include_str!("kernel-exports.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let undefined = file.symbols().filter(|symbol| symbol.is_undefined()).filter_map(|symbol| symbol.name().ok());
    undefined
        .filter(|name| !name.is_empty() && !exports.contains(name))
        .map(|name| format!("undefined symbol {name} is not in kernel-exports.txt"))
        .collect()
}

/// The size of all code, and what is wrong with it: the kernel does not save the floating-point state of a thread in the
/// kernel, and interrupts overwrite what lies below the stack pointer.
fn instructions(file: &Elf<'_>) -> Result<(usize, Vec<String>)> {
    let (mut size, mut wrong) = (0, Vec::new());
    for section in file.sections() {
        if section.kind() != SectionKind::Text {
            continue;
        }
        let code = section.data().with_context(|| format!("cannot read section {}", section.name().unwrap_or("?")))?;
        size += code.len();
        let mut infos = InstructionInfoFactory::new();
        for instruction in &mut Decoder::with_ip(64, code, 0, DecoderOptions::NONE) {
            if let Some(fault) = fault(&instruction, &mut infos) {
                let mut shown = String::new();
                GasFormatter::new().format(&instruction, &mut shown);
                let at = place(file, &section, instruction.ip());
                wrong.push(format!("{fault} at {at}: {shown}"));
            }
        }
    }
    Ok((size, wrong))
}

fn fault(instruction: &Instruction, infos: &mut InstructionInfoFactory) -> Option<&'static str> {
    if instruction.is_invalid() {
        return Some("no instruction");
    }
    let general = |feature: &CpuidFeature| {
        use CpuidFeature::*;
        matches!(
            feature,
            INTEL8086 | INTEL186 | INTEL286 | INTEL386 | INTEL486 | X64 | CMOV | MULTIBYTENOP | CPUID | CX8 | PAUSE
        )
    };
    let info = infos.info(instruction);
    let vector = info.used_registers().iter().any(|used| {
        let register = used.register();
        register.is_vector_register() || register.is_mm() || register.is_st() || register.is_k()
    });
    if vector || !instruction.cpuid_features().iter().all(general) {
        return Some("SSE, MMX, x87 or later instruction");
    }
    let below = |used: &iced_x86::UsedMemory| {
        used.base() == Register::RSP && used.index() == Register::None && (used.displacement() as i64) < 0
    };
    // A push and a call write below the stack pointer that they start from, and move it.
    if !instruction.is_stack_instruction() && info.used_memory().iter().any(below) {
        return Some("use of the red zone");
    }
    None
}

/// An offset into a section, as the function before it and the distance.
fn place<'a>(file: &Elf<'a>, section: &impl ObjectSection<'a>, offset: u64) -> String {
    let functions = file.symbols().filter(|symbol| {
        symbol.section_index() == Some(section.index())
            && symbol.kind() == SymbolKind::Text
            && symbol.address() <= offset
    });
    match functions.max_by_key(|symbol| symbol.address()) {
        Some(symbol) => format!("{}+{:#x}", symbol.name().unwrap_or("?"), offset - symbol.address()),
        None => format!("{}+{offset:#x}", section.name().unwrap_or("?")),
    }
}

/// The kernel versions that the module's MODULE_DEPEND on `kernel` asks for, `<sys/module.h>`.
fn kernel_range(file: &Elf<'_>) -> Result<(u32, u32)> {
    const MDT_DEPEND: u32 = 1;
    let set = file.section_by_name("set_modmetadata_set").context("no set_modmetadata_set: no module is declared")?;
    for (_, entry) in set.relocations() {
        // struct modmetadata: int md_version, int md_type, const void *md_data, const char *md_cval.
        let (section, at) = target(file, &entry)?;
        let md_type = u32_at(section.data()?, at + 4)?;
        let pointers = || section.relocations();
        let pointer =
            |offset| pointers().find(|(place, _)| *place == offset).context("a modmetadata without its pointers");
        let (cval_section, cval) = target(file, &pointer(at + 16)?.1)?;
        let name = cval_section.data()?.get(cval as usize..).unwrap_or_default();
        if md_type == MDT_DEPEND && name.starts_with(b"kernel\0") {
            // struct mod_depend: int md_ver_minimum, md_ver_preferred, md_ver_maximum.
            let (section, at) = target(file, &pointer(at + 8)?.1)?;
            return Ok((u32_at(section.data()?, at)?, u32_at(section.data()?, at + 8)?));
        }
    }
    bail!("no MODULE_DEPEND on kernel: any kernel would load it")
}

/// The section and offset that a relocation of a pointer leads to.
fn target<'f, 'a>(
    file: &'f Elf<'a>,
    relocation: &object::Relocation,
) -> Result<(object::read::elf::ElfSection64<'a, 'f, LE>, u64)> {
    let (index, value) = match relocation.target() {
        RelocationTarget::Symbol(index) => {
            let symbol = file.symbol_by_index(index)?;
            (symbol.section_index().context("a pointer of the module's metadata leads outside")?, symbol.address())
        }
        _ => bail!("a pointer of the module's metadata leads nowhere"),
    };
    Ok((file.section_by_index(index)?, value.wrapping_add(relocation.addend() as u64)))
}

fn u32_at(data: &[u8], at: u64) -> Result<u32> {
    let bytes = usize::try_from(at).ok().and_then(|at| data.get(at..)?.first_chunk());
    Ok(u32::from_le_bytes(*bytes.context("the module's metadata lies outside its section")?))
}

#[cfg(test)]
mod tests {
    use super::check;
    use object::write::{Object, Relocation, Symbol, SymbolId, SymbolSection};
    use object::{
        Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf,
    };

    const OSRELDATE: u32 = 1_500_068;

    /// A module with one function, and the metadata that asks for kernels `from` to `to`.
    struct Module {
        object: Object<'static>,
        text: object::write::SectionId,
    }

    impl Module {
        fn new(code: &[u8], from: u32, to: u32) -> Self {
            let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
            let text = object.section_id(object::write::StandardSection::Text);
            object.append_section_data(text, code, 16);
            let function = symbol("echo_read", SymbolSection::Section(text), SymbolKind::Text);
            object.add_symbol(function);
            let data = object.section_id(object::write::StandardSection::Data);
            let kernel = object.append_section_data(data, b"kernel\0\0", 8);
            let mut depend = Vec::new();
            for version in [from, from, to, 0] {
                depend.extend(version.to_le_bytes());
            }
            let depend = object.append_section_data(data, &depend, 8);
            let mut metadata = Vec::new();
            for word in [1u32, 1, 0, 0, 0, 0] {
                metadata.extend(word.to_le_bytes());
            }
            let metadata = object.append_section_data(data, &metadata, 8);
            let data_symbol = object.section_symbol(data);
            let set = object.add_section(vec![], b"set_modmetadata_set".to_vec(), SectionKind::Data);
            object.append_section_data(set, &[0; 8], 8);
            let mut module = Self { object, text };
            module.relocate(data, metadata + 8, elf::R_X86_64_64, data_symbol, depend as i64);
            module.relocate(data, metadata + 16, elf::R_X86_64_64, data_symbol, kernel as i64);
            module.relocate(set, 0, elf::R_X86_64_64, data_symbol, metadata as i64);
            module
        }

        fn good(code: &[u8]) -> Self {
            Self::new(code, OSRELDATE, 1_599_999)
        }

        fn relocate(
            &mut self,
            at: object::write::SectionId,
            offset: u64,
            r_type: elf::RelocationType,
            symbol: SymbolId,
            addend: i64,
        ) {
            let flags = RelocationFlags::Elf { r_type };
            self.object.add_relocation(at, Relocation { offset, symbol, addend, flags }).unwrap();
        }

        fn call(mut self, name: &str, r_type: elf::RelocationType) -> Self {
            let callee = self.object.add_symbol(symbol(name, SymbolSection::Undefined, SymbolKind::Unknown));
            self.relocate(self.text, 1, r_type, callee, -4);
            self
        }

        fn check(&self) -> String {
            match check(&self.object.write().unwrap(), Some(OSRELDATE)) {
                Ok(line) => line,
                Err(error) => format!("{error:#}"),
            }
        }
    }

    fn symbol(name: &str, section: SymbolSection, kind: SymbolKind) -> Symbol {
        let scope = SymbolScope::Linkage;
        Symbol { name: name.into(), value: 0, size: 0, kind, scope, weak: false, section, flags: SymbolFlags::None }
    }

    const CALL: [u8; 6] = [0xe8, 0, 0, 0, 0, 0xc3];

    #[test]
    fn a_good_module_passes() {
        let said = Module::good(&CALL).call("wakeup", elf::R_X86_64_PLT32).check();
        assert!(said.ends_with("6 of text, for kernels 1500068 to 1599999"), "{said}");
    }

    #[test]
    fn a_relocation_that_the_loader_does_not_apply() {
        let said = Module::good(&CALL).call("wakeup", elf::R_X86_64_GOTPCREL).check();
        assert!(said.starts_with("relocation of type 9 at .text+0x1:"), "{said}");
    }

    #[test]
    fn a_symbol_that_the_kernel_does_not_export() {
        let said = Module::good(&CALL).call("__udivti3", elf::R_X86_64_PLT32).check();
        assert_eq!(said, "undefined symbol __udivti3 is not in kernel-exports.txt");
    }

    #[test]
    fn instructions_that_need_saved_state() {
        // movaps %xmm0,(%rdi); fld1; movq %mm0,(%rdi); sarx
        for code in [&[0x0f, 0x29, 0x07][..], &[0xd9, 0xe8], &[0x0f, 0x7f, 0x07], &[0xc4, 0xe2, 0xfa, 0xf7, 0xc7]] {
            let said = Module::good(code).check();
            assert!(said.starts_with("SSE, MMX, x87 or later instruction at echo_read+0x0:"), "{said}");
        }
    }

    #[test]
    fn the_red_zone() {
        // push %rbp; mov %rdi,-0x8(%rsp); ret
        let said = Module::good(&[0x55, 0x48, 0x89, 0x7c, 0x24, 0xf8, 0xc3]).check();
        assert!(said.starts_with("use of the red zone at echo_read+0x1:"), "{said}");
    }

    #[test]
    fn kernel_versions() {
        let said = Module::new(&CALL, 1_500_068, 1_500_068).check();
        assert_eq!(said, "asks for kernels 1500068 to 1500068, not 1500068 to 1599999");
    }

    #[test]
    fn size() {
        let said = Module::good(&[0x90; 25 << 10]).check();
        assert!(said.contains("bytes, more than 24576"), "{said}");
    }

    #[test]
    fn what_is_no_module_at_all() {
        assert_eq!(
            format!("{:#}", check(b"#!/bin/sh\n", None).unwrap_err()).split(':').next(),
            Some("not a 64-bit little-endian ELF file")
        );
    }

    /// Every symbol table but the first is renamed from another section's type.
    #[test]
    fn a_second_symbol_table() {
        let mut bytes = Module::good(&CALL).object.write().unwrap();
        let shoff = u64::from_le_bytes(bytes[0x28..0x30].try_into().unwrap()) as usize;
        let sections = u16::from_le_bytes(bytes[0x3c..0x3e].try_into().unwrap()) as usize;
        let types: Vec<usize> = (0..sections).map(|i| shoff + 64 * i + 4).collect();
        let strtab = types.iter().rev().find(|at| bytes[**at] == elf::SHT_PROGBITS.0 as u8).unwrap();
        bytes[*strtab] = elf::SHT_SYMTAB.0 as u8;
        let said = format!("{:#}", check(&bytes, Some(OSRELDATE)).unwrap_err());
        assert!(said.contains("symbol table"), "{said}");
    }
}
