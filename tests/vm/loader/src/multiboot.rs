//! The information from QEMU about the machine and the files, by the Multiboot 1 rules.

use crate::modinfo::Smap;
use core::ffi::CStr;
use core::slice;

/// The beginning of the information structure.
#[repr(C)]
struct Info {
    flags: u32,
    mem: [u32; 2],
    boot_device: u32,
    command_line: u32,
    module_count: u32,
    modules: u32,
    symbols: [u32; 4],
    map_length: u32,
    map: u32,
}

const HAS_MODULES: u32 = 1 << 3;
const HAS_MAP: u32 = 1 << 6;

/// A file in memory.
#[repr(C)]
struct Module {
    start: u32,
    end: u32,
    name: u32,
    reserved: u32,
}

/// A range of memory. `size` is the size of the fields after it.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Range {
    size: u32,
    base: u64,
    length: u64,
    kind: u32,
}

/// The machine and the files that the loader was started with.
pub struct Machine {
    modules: &'static [Module],
    ranges: &'static [Range],
}

impl Machine {
    /// Reads the structure at `info`.
    ///
    /// # Safety
    ///
    /// A Multiboot 1 loader passed `info`, memory is mapped at its physical addresses, and nothing
    /// that the structure refers to is ever written.
    pub unsafe fn new(info: u32) -> Self {
        // SAFETY: by the caller's promise, the address of a structure that begins like this.
        let info = unsafe { &*(info as usize as *const Info) };
        let mut machine = Self {
            modules: &[],
            ranges: &[],
        };
        if info.flags & HAS_MODULES != 0 {
            // SAFETY: by the rules, there are this many of them if the flag is set. Nothing changes
            // them.
            machine.modules = unsafe {
                slice::from_raw_parts(
                    info.modules as usize as *const Module,
                    info.module_count as usize,
                )
            };
        }
        if info.flags & HAS_MAP != 0 {
            let count = info.map_length as usize / size_of::<Range>();
            // SAFETY: as above. QEMU makes all ranges of one size. The rules do not guarantee that,
            // so `ranges` checks it.
            machine.ranges =
                unsafe { slice::from_raw_parts(info.map as usize as *const Range, count) };
        }
        machine
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        self.modules
            .iter()
            .find(|module| module.name() == Some(name))
            .map(Module::bytes)
    }

    /// The machine's memory.
    pub fn memory(&self) -> impl Iterator<Item = Smap> + Clone {
        let whole = |range: &&Range| range.size as usize == size_of::<Range>() - size_of::<u32>();
        let smap = |range: &Range| Smap {
            base: range.base,
            length: range.length,
            kind: range.kind,
        };
        self.ranges.iter().take_while(whole).map(smap)
    }
}

impl Module {
    fn name(&self) -> Option<&'static str> {
        // SAFETY: by the rules, a string that ends with a NUL. Nothing changes it.
        unsafe { CStr::from_ptr(self.name as usize as *const i8) }
            .to_str()
            .ok()
            .map(str::trim_end)
    }

    fn bytes(&self) -> &'static [u8] {
        let len = self.end.saturating_sub(self.start) as usize;
        // SAFETY: by the rules, the file is there. The loader writes only below itself, and the
        // file is after it.
        unsafe { slice::from_raw_parts(self.start as usize as *const u8, len) }
    }
}
