//! A kernel module (ET_REL, amd64) in the memory of this process.
//!
//! The image is placed below 2 GB, so that the sign-extended 32-bit addresses of the kernel code
//! model hold. Undefined symbols that are farther away are reached through jump stubs. A stub
//! serves functions only. **Kernel data** that a module refers to must itself be below 2 GB.

mod elf;
mod error;
mod file;
mod imports;
pub mod inspect;
mod layout;
mod memory;
mod metadata;
mod peek;
mod registry;
mod reloc;
mod symbols;

use std::collections::HashMap;

use nix::errno::Errno;
use nix::sys::mman::ProtFlags;

use self::elf::Object;
use self::error::{damaged, unsupported};
use self::imports::Imports;
use self::layout::Layout;
use self::memory::Mapping;
use self::registry::Registration;
use self::reloc::Linker;
use self::symbols::Symbols;

pub use self::error::LoadError;
pub use self::file::read_file;
pub use self::metadata::Metadata;
pub(crate) use self::registry::is_module;

/// A module in memory, relocated and ready to run; unmapped on drop.
///
/// Its text is readable and executable, its constants are readable, its data is readable and
/// writable.
pub struct Image {
    // Dropped first, so that no fault is attributed to an image that is being unmapped.
    registration: Registration,
    memory: Mapping,
    size: usize,
    symbols: Symbols,
    sets: HashMap<String, Vec<usize>>,
    metadata: Vec<Metadata>,
}

impl Image {
    /// Loads a module from the bytes of its file. `resolve` returns the address of a kernel symbol.
    /// The documentation of this module states where data may be. No code of the loaded file is
    /// executed.
    ///
    /// # Errors
    ///
    /// [`LoadError`] for every file that is not a sound module; all undefined symbols are reported
    /// at once.
    pub fn load(bytes: &[u8], resolve: &dyn Fn(&str) -> Option<usize>) -> Result<Image, LoadError> {
        let object = Object::parse(bytes)?;
        let metadata = metadata::read(&object)?
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(LoadError::Damaged)?;
        let imports = Imports::resolve(&object, resolve)?;
        let layout = Layout::new(&object, imports.stubs.len())?;
        let size = layout.size();
        if size == 0 {
            return Err(unsupported("nothing in it would be loaded"));
        }
        let no_memory = |errno: Errno| LoadError::Memory { size, errno };
        let mut memory = Mapping::new(size).map_err(no_memory)?;
        let linker = Linker {
            object: &object,
            layout: &layout,
            imports: &imports,
            base: memory.address(),
        };
        let image = memory.bytes_mut();
        linker.fill(image)?;
        let sets = linker_sets(&linker, image)?;
        let symbols = Symbols::new(&linker);
        memory
            .protect(layout.text, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC)
            .map_err(no_memory)?;
        memory
            .protect(layout.constants, ProtFlags::PROT_READ)
            .map_err(no_memory)?;
        let registration = Registration::new(memory.address(), size)?;
        Ok(Image {
            registration,
            memory,
            size,
            symbols,
            sets,
            metadata,
        })
    }

    /// The pointers in a linker set, such as `sysinit_set`; empty when the module has no such set.
    pub fn linker_set(&self, name: &str) -> &[usize] {
        self.sets.get(name).map_or(&[], Vec::as_slice)
    }

    /// The address of a symbol that the module defines, local or global.
    pub fn symbol(&self, name: &str) -> Option<usize> {
        self.symbols.address(name)
    }

    /// The nearest symbol at or below `addr`, and the distance from it in bytes; `None` outside of
    /// the image. Where no symbol precedes, the section's name serves.
    pub fn symbolize(&self, addr: usize) -> Option<(String, usize)> {
        if self.contains(addr) {
            self.symbols.nearest(addr)
        } else {
            None
        }
    }

    /// Whether `addr` is in the image.
    pub fn contains(&self, addr: usize) -> bool {
        (self.memory.address()..self.memory.address() + self.size).contains(&addr)
    }

    /// Takes the module out of use. Its memory becomes inaccessible, but stays reserved, so that
    /// any access through an old address faults. Symbols can still be found.
    pub fn retire(&self) {
        // Changing the protection of an existing mapping fails only when the host kernel has no
        // memory. Stray accesses are then not detected.
        let _ = self.memory.protect(
            0..self.size.next_multiple_of(layout::PAGE),
            ProtFlags::PROT_NONE,
        );
        self.registration.end();
    }

    /// The module's metadata records, in file order.
    pub fn metadata(&self) -> Vec<Metadata> {
        self.metadata.clone()
    }
}

/// The contents of all `set_*` sections.
fn linker_sets(linker: &Linker, image: &[u8]) -> Result<HashMap<String, Vec<usize>>, LoadError> {
    let mut sets = HashMap::new();
    for (section, start) in linker.object.sections.iter().zip(&linker.layout.sections) {
        let (Some(name), Some(start)) = (section.name.strip_prefix("set_"), start) else {
            continue;
        };
        let (pointers, []) = image[*start..*start + section.data.len()].as_chunks() else {
            return Err(damaged(format!(
                "section set_{name} ends in the middle of a pointer"
            )));
        };
        let pointers = pointers
            .iter()
            .map(|bytes| usize::from_le_bytes(*bytes))
            .collect();
        if sets.insert(name.to_owned(), pointers).is_some() {
            return Err(unsupported(format!(
                "it has two sections set_{name}, and FreeBSD would use only the first"
            )));
        }
    }
    Ok(sets)
}
