//! Modules to check, made in memory.

use super::check;
use object::write::{
    Object, Relocation, SectionId, StandardSection, Symbol, SymbolId, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};

/// The kernel version that the modules must ask for.
pub const OSRELDATE: u32 = 1_500_068;

/// A call, whose operand a relocation may fill in, and a return.
pub const CALL: [u8; 6] = [0xe8, 0, 0, 0, 0, 0xc3];

/// A module with one function, `echo_read`, and the metadata that asks for kernels `from` to `to`.
pub struct Module {
    pub object: Object<'static>,
    pub text: SectionId,
    data: SectionId,
    set: SectionId,
}

impl Module {
    pub fn new(code: &[u8], from: u32, to: u32) -> Self {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let text = object.section_id(StandardSection::Text);
        let data = object.section_id(StandardSection::Data);
        let set = object.add_section(vec![], b"set_modmetadata_set".to_vec(), SectionKind::Data);
        let mut module = Self {
            object,
            text,
            data,
            set,
        };
        module.function("echo_read", code);
        let depend: Vec<u8> = [from, from, to, 0]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        module.metadata(1, &depend, "kernel");
        module
    }

    /// A module that asks for the right kernels.
    pub fn good(code: &[u8]) -> Self {
        Self::new(code, OSRELDATE, 1_599_999)
    }

    /// Declares the name of the module.
    pub fn named(mut self, name: &str) -> Self {
        self.metadata(2, &[0; 24], name);
        self
    }

    /// An entry of type `md_type` in the module's metadata.
    fn metadata(&mut self, md_type: u8, data: &[u8], cval: &str) {
        let data = self.object.append_section_data(self.data, data, 8);
        let cval = self
            .object
            .append_section_data(self.data, format!("{cval}\0").as_bytes(), 8);
        let mut entry = [0; 24];
        (entry[0], entry[4]) = (1, md_type);
        let entry = self.object.append_section_data(self.data, &entry, 8);
        let place = self.object.append_section_data(self.set, &[0; 8], 8);
        let data_symbol = self.object.section_symbol(self.data);
        self.relocate(
            self.data,
            entry + 8,
            elf::R_X86_64_64,
            data_symbol,
            data as i64,
        );
        self.relocate(
            self.data,
            entry + 16,
            elf::R_X86_64_64,
            data_symbol,
            cval as i64,
        );
        self.relocate(self.set, place, elf::R_X86_64_64, data_symbol, entry as i64);
    }

    /// Adds a function, and returns where it is.
    pub fn function(&mut self, name: &str, code: &[u8]) -> (SymbolId, u64) {
        let value = self.object.append_section_data(self.text, code, 16);
        let function = symbol(name, SymbolSection::Section(self.text), SymbolKind::Text);
        (
            self.object.add_symbol(Symbol {
                value,
                size: code.len() as u64,
                ..function
            }),
            value,
        )
    }

    /// Adds an object of data that begins with the bytes given, with the address of a function at
    /// each offset of `pointers`.
    pub fn table(&mut self, name: &str, bytes: &[u8], pointers: &[(u64, SymbolId)]) {
        let value = self.object.append_section_data(self.data, bytes, 8);
        let table = symbol(name, SymbolSection::Section(self.data), SymbolKind::Data);
        self.object.add_symbol(Symbol {
            value,
            size: bytes.len() as u64,
            ..table
        });
        for (offset, function) in pointers {
            self.relocate(self.data, value + offset, elf::R_X86_64_64, *function, 0);
        }
    }

    /// The symbol of this name, if there is one.
    pub fn find(&self, name: &str) -> Option<SymbolId> {
        self.object.symbol_id(name.as_bytes())
    }

    /// An undefined symbol.
    pub fn import(&mut self, name: &str) -> SymbolId {
        self.object
            .add_symbol(symbol(name, SymbolSection::Undefined, SymbolKind::Unknown))
    }

    pub fn relocate(
        &mut self,
        at: SectionId,
        offset: u64,
        r_type: elf::RelocationType,
        symbol: SymbolId,
        addend: i64,
    ) {
        let flags = RelocationFlags::Elf { r_type };
        self.object
            .add_relocation(
                at,
                Relocation {
                    offset,
                    symbol,
                    addend,
                    flags,
                },
            )
            .unwrap();
    }

    /// Makes the first function call another one.
    pub fn call(mut self, name: &str, r_type: elf::RelocationType) -> Self {
        let callee = self.import(name);
        self.relocate(self.text, 1, r_type, callee, -4);
        self
    }

    /// The file, with its code padded to whole pages.
    pub fn bytes(mut self) -> Vec<u8> {
        let size = self.object.append_section_data(self.text, &[], 1);
        let padding = vec![0xcc; (size.next_multiple_of(4096) - size) as usize];
        self.object.append_section_data(self.text, &padding, 1);
        self.object.write().unwrap()
    }

    /// The result of the check.
    pub fn check(self) -> String {
        found(&self.bytes())
    }

    /// The result of the check without padding.
    pub fn check_unpadded(self) -> String {
        found(&self.object.write().unwrap())
    }
}

fn found(bytes: &[u8]) -> String {
    check(bytes, Some(OSRELDATE)).unwrap_or_else(|error| format!("{error:#}"))
}

/// A symbol of size 0 at the beginning of a section.
pub fn symbol(name: &str, section: SymbolSection, kind: SymbolKind) -> Symbol {
    let scope = SymbolScope::Linkage;
    Symbol {
        name: name.into(),
        value: 0,
        size: 0,
        kind,
        scope,
        weak: false,
        section,
        flags: SymbolFlags::None,
    }
}
