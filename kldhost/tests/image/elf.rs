//! Makes small module files, sound and broken ones.

use object::elf;
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind,
    SymbolFlags, SymbolKind, SymbolScope,
};

/// A relocatable file for amd64 that grows section by section.
pub struct Ko(Object<'static>);

impl Ko {
    pub fn new() -> Ko {
        Ko(Object::new(
            BinaryFormat::Elf,
            Architecture::X86_64,
            Endianness::Little,
        ))
    }

    /// Adds a section; `flags` as readelf(1) prints them, of W, A, X and T.
    pub fn section(&mut self, name: &str, flags: &str, bytes: &[u8], align: u64) -> SectionId {
        let id = self
            .0
            .add_section(Vec::new(), name.into(), SectionKind::Data);
        self.set_flags(id, elf::SHT_PROGBITS, flags);
        self.0.append_section_data(id, bytes, align);
        id
    }

    /// Adds a section of zeros that the file does not hold.
    pub fn bss(&mut self, name: &str, size: u64, align: u64) -> SectionId {
        let id = self
            .0
            .add_section(Vec::new(), name.into(), SectionKind::UninitializedData);
        self.set_flags(id, elf::SHT_NOBITS, "WA");
        self.0.append_section_bss(id, size, align);
        id
    }

    fn set_flags(&mut self, id: SectionId, sh_type: elf::SectionType, flags: &str) {
        let bits = flags.chars().map(|flag| match flag {
            'W' => elf::SHF_WRITE.0,
            'A' => elf::SHF_ALLOC.0,
            'X' => elf::SHF_EXECINSTR.0,
            'T' => elf::SHF_TLS.0,
            other => panic!("section flag {other}"),
        });
        let sh_flags = elf::SectionFlags(bits.fold(0, |all, bit| all | bit));
        self.0.section_mut(id).flags = SectionFlags::Elf { sh_type, sh_flags };
    }

    fn symbol(
        &mut self,
        name: &str,
        kind: SymbolKind,
        section: SymbolSection,
        value: u64,
    ) -> SymbolId {
        self.0.add_symbol(Symbol {
            name: name.into(),
            value,
            size: 0,
            kind,
            scope: SymbolScope::Linkage,
            weak: false,
            section,
            flags: SymbolFlags::None,
        })
    }

    /// A global function at an offset of a section.
    pub fn function(&mut self, name: &str, section: SectionId, offset: u64) -> SymbolId {
        self.symbol(
            name,
            SymbolKind::Text,
            SymbolSection::Section(section),
            offset,
        )
    }

    /// A global object at an offset of a section.
    pub fn data(&mut self, name: &str, section: SectionId, offset: u64) -> SymbolId {
        self.symbol(
            name,
            SymbolKind::Data,
            SymbolSection::Section(section),
            offset,
        )
    }

    /// A symbol of common storage.
    pub fn common(&mut self, name: &str, size: u64, align: u64) -> SymbolId {
        let id = self.symbol(name, SymbolKind::Data, SymbolSection::Common, align);
        self.0.symbol_mut(id).size = size;
        id
    }

    pub fn absolute(&mut self, name: &str, value: u64) -> SymbolId {
        self.symbol(name, SymbolKind::Data, SymbolSection::Absolute, value)
    }

    pub fn undefined(&mut self, name: &str) -> SymbolId {
        self.symbol(name, SymbolKind::Unknown, SymbolSection::Undefined, 0)
    }

    pub fn weak(&mut self, name: &str) -> SymbolId {
        let id = self.undefined(name);
        self.0.symbol_mut(id).weak = true;
        id
    }

    /// The local symbol of a section.
    pub fn section_symbol(&mut self, section: SectionId) -> SymbolId {
        self.0.section_symbol(section)
    }

    pub fn relocate(
        &mut self,
        section: SectionId,
        offset: u64,
        r_type: elf::RelocationType,
        symbol: SymbolId,
        addend: i64,
    ) {
        let flags = RelocationFlags::Elf { r_type };
        self.0
            .add_relocation(
                section,
                Relocation {
                    offset,
                    symbol,
                    addend,
                    flags,
                },
            )
            .unwrap();
    }

    pub fn finish(&self) -> Vec<u8> {
        self.0.write().unwrap()
    }
}

/// A module with something of everything:
///
/// - `.text`: `answer` returns 42, and `ask` returns the result of the import `oracle`;
/// - `.rodata`: strings; `.data`: records, and `pointers`, which has the addresses of `answer`,
///   `oracle`, `zeros`, `shared`, and the start and the end of `set_sysinit_set`;
/// - `.bss`: `zeros`; common storage: `shared`;
/// - the module `sample`, version 3, for kernel 1500068 to 1599999, with one sysinit.
pub fn sample() -> Ko {
    let mut ko = Ko::new();
    let text = ko.section(".text", "AX", TEXT, 16);
    let answer = ko.function("answer", text, 0);
    ko.function("ask", text, 16);
    let oracle = ko.undefined("oracle");
    ko.relocate(text, 21, elf::R_X86_64_PLT32, oracle, -4);
    let strings = ko.section(".rodata", "A", b"sample\0kernel\0", 1);
    let bss = ko.bss(".bss", 64, 32);
    let zeros = ko.data("zeros", bss, 0);
    let shared = ko.common("shared", 24, 16);

    let pointers = ko.section(".data", "WA", &[0; 48], 8);
    ko.data("pointers", pointers, 0);
    let set_start = ko.undefined("__start_set_sysinit_set");
    let set_stop = ko.undefined("__stop_set_sysinit_set");
    for (offset, symbol) in (0..)
        .step_by(8)
        .zip([answer, oracle, zeros, shared, set_start, set_stop])
    {
        ko.relocate(pointers, offset, elf::R_X86_64_64, symbol, 0);
    }

    let strings = ko.section_symbol(strings);
    let set = ko.section("set_modmetadata_set", "A", &[], 8);
    metadata(&mut ko, set, 2, (strings, 0), &[]);
    metadata(&mut ko, set, 1, (strings, 7), &[1500068, 1500068, 1599999]);
    metadata(&mut ko, set, 3, (strings, 0), &[3]);

    let register = ko.undefined("module_register_init");
    let sysinit = ko.section(
        ".data.sysinit",
        "WA",
        &words(&[0x310_0000, 0x100_0000, 0, 0, 0, 0, 0, 0]),
        8,
    );
    let record = ko.data("sample_sysinit", sysinit, 0);
    ko.relocate(sysinit, 16, elf::R_X86_64_64, register, 0);
    ko.relocate(sysinit, 24, elf::R_X86_64_64, zeros, 0);
    let set = ko.section("set_sysinit_set", "A", &[0; 8], 8);
    ko.relocate(set, 0, elf::R_X86_64_64, record, 0);
    ko
}

/// `answer: mov $42, %eax; ret`, and at 16 `ask: sub $8, %rsp; call oracle; add $8, %rsp; ret`.
const TEXT: &[u8] = &[
    0xb8, 42, 0, 0, 0, 0xc3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
    0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 0x48, 0x83, 0xc4, 8, 0xc3,
];

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Adds a section with a `struct mod_metadata` and its data, and an entry of `set` for it.
fn metadata(
    ko: &mut Ko,
    set: SectionId,
    kind: u32,
    (strings, name): (SymbolId, i64),
    versions: &[u32],
) {
    let mut record = words(&[1, kind, 0, 0, 0, 0]);
    record.extend(words(versions));
    let section = ko.section(".data.metadata", "WA", &record, 8);
    let here = ko.section_symbol(section);
    ko.relocate(section, 16, elf::R_X86_64_64, strings, name);
    if !versions.is_empty() {
        ko.relocate(section, 8, elf::R_X86_64_64, here, 24);
    }
    let offset = ko.0.append_section_data(set, &[0; 8], 8);
    ko.relocate(set, offset, elf::R_X86_64_64, here, 0);
}
