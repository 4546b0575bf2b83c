//! Kernel variables that modules refer to. They are below 2 GB, where modules can reach them.

use std::ffi::{CStr, c_int, c_long};
use std::num::NonZeroUsize;
use std::ptr::{NonNull, null_mut};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use crate::abi::layout::MallocType;
use crate::abi::release::Release;
use crate::machine::sync::Instant;
use crate::machine::sync::atomic::Ordering::Relaxed;
use crate::machine::sync::atomic::{AtomicBool, AtomicI64};

const HZ: c_int = 1000;
/// `PAGE_SIZE`.
const PAGE: usize = 4096;

/// The variables.
#[repr(C)]
struct Variables {
    tick_sbt: i64,
    /// `ticks` is the lower half of it.
    ticksl: AtomicI64,
    /// Pages of memory.
    physmem: c_long,
    hz: c_int,
    tick: c_int,
    osreldate: c_int,
    bootverbose: c_int,
    cold: c_int,
    malloc_types: [MallocType; MALLOC_TYPES.len()],
}

/// The kernel's own malloc types: symbols and short descriptions.
const MALLOC_TYPES: [(&str, &CStr); 4] = [
    ("M_TEMP", c"temp"),
    ("M_DEVBUF", c"devbuf"),
    ("M_IOV", c"iov"),
    ("M_CACHE", c"cache"),
];

/// The variables of a kernel.
pub struct KernelData {
    variables: NonNull<Variables>,
    /// Whether a module reads `ticks`, so that it must be kept up to date.
    ticks_used: AtomicBool,
}

// SAFETY: the variables are constant, but for an atomic.
unsafe impl Send for KernelData {}
// SAFETY: as above.
unsafe impl Sync for KernelData {}

const SIZE: NonZeroUsize = NonZeroUsize::new(size_of::<Variables>()).unwrap();

impl KernelData {
    /// The variables of a kernel of this release, on a machine with this number of bytes of memory.
    ///
    /// # Panics
    ///
    /// If there is no memory below 2 GB.
    pub fn new(release: Release, memory: usize) -> KernelData {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_32BIT;
        // SAFETY: an anonymous mapping at an address of the system's choice replaces nothing.
        let page = unsafe {
            mmap_anonymous(
                None,
                SIZE,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                flags,
            )
        };
        let variables = page
            .expect("no memory below 2 GB for the kernel's variables")
            .cast::<Variables>();
        let malloc_types = MALLOC_TYPES.map(|(_, text)| MallocType {
            ks_next: null_mut(),
            ks_version: 0,
            ks_shortdesc: text.as_ptr(),
            ks_mti: [0; 11],
        });
        let initial = Variables {
            tick_sbt: (1 << 32) / i64::from(HZ),
            ticksl: 0.into(),
            physmem: (memory / PAGE) as c_long,
            hz: HZ,
            tick: 1_000_000 / HZ,
            osreldate: release.osreldate(),
            bootverbose: 0,
            cold: 0,
            malloc_types,
        };
        // SAFETY: the page was just mapped, and is large enough.
        unsafe { variables.write(initial) };
        KernelData {
            variables,
            ticks_used: AtomicBool::new(false),
        }
    }

    fn variables(&self) -> &Variables {
        // SAFETY: mapped and initialised until `self` is dropped.
        unsafe { self.variables.as_ref() }
    }

    /// The address of a variable.
    pub fn resolve(&self, name: &str) -> Option<usize> {
        fn addr<T>(variable: &T) -> Option<usize> {
            Some(std::ptr::from_ref(variable).addr())
        }
        let variables = self.variables();
        match name {
            "tick_sbt" => addr(&variables.tick_sbt),
            "hz" => addr(&variables.hz),
            "tick" => addr(&variables.tick),
            "osreldate" => addr(&variables.osreldate),
            "physmem" => addr(&variables.physmem),
            "bootverbose" => addr(&variables.bootverbose),
            "cold" => addr(&variables.cold),
            "ticks" | "ticksl" => {
                self.ticks_used.store(true, Relaxed);
                addr(&variables.ticksl)
            }
            _ => {
                let at = MALLOC_TYPES
                    .iter()
                    .position(|(symbol, _)| *symbol == name)?;
                addr(&variables.malloc_types[at])
            }
        }
    }

    /// The kernel's own malloc types.
    pub fn malloc_types(&self) -> &[MallocType] {
        &self.variables().malloc_types
    }

    /// The length of a tick, in units of 2^-32 seconds.
    pub fn tick_sbt(&self) -> i64 {
        self.variables().tick_sbt
    }

    /// Advances `ticks`, if a module reads it.
    pub fn update_ticks(&self, boot: Instant) {
        if self.ticks_used.load(Relaxed) {
            let millis = boot.elapsed().as_millis() as i64;
            self.variables()
                .ticksl
                .store(millis * i64::from(HZ) / 1000, Relaxed);
        }
    }
}

impl Drop for KernelData {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`. Modules are dropped before the kernel's data.
        let unmapped = unsafe { munmap(self.variables.cast(), SIZE.get()) };
        debug_assert!(unmapped.is_ok());
    }
}
