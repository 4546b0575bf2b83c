//! User memory: the arguments of read(2), write(2), ioctl(2). Copies to and from it may fault at
//! any byte.

mod buffer;

use std::num::NonZeroUsize;
use std::ops::{Bound, RangeBounds};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

use crate::machine::sync::Mutex;
use crate::machine::sync::atomic::AtomicUsize;
use crate::machine::sync::atomic::Ordering::SeqCst;

pub use buffer::{UserIn, UserOut};

const PAGE: usize = 4096;

/// User memory that is not part of Rust's: `len` good bytes that end directly before an
/// inaccessible page.
///
/// A range that ends after the good bytes faults at the first bad one. There are no references into
/// this memory, so it may be read while a system call writes to it.
#[derive(Debug)]
pub struct UserMem {
    map: NonNull<u8>,
    map_len: usize,
    start: *mut u8,
    len: usize,
    hung: bool,
}

// SAFETY: the memory is only accessed by copies through raw pointers, from any thread.
unsafe impl Send for UserMem {}
// SAFETY: as above. Racing copies may tear, and no code relies on consistent values.
unsafe impl Sync for UserMem {}

/// All regions that exist, for copyin(9) and copyout(9) to addresses that were not arguments of the
/// system call.
static REGIONS: Mutex<Vec<Region>> = Mutex::new(Vec::new());

/// The number of hung regions. While it is 0, the list need not be searched.
static HUNG: AtomicUsize = AtomicUsize::new(0);

/// The good bytes of a [`UserMem`].
struct Region {
    start: usize,
    len: usize,
    hung: bool,
}

impl UserMem {
    /// Maps `len` bytes of zeroes before an inaccessible page.
    ///
    /// # Panics
    ///
    /// If the machine has no memory left for it.
    pub fn new(len: usize) -> UserMem {
        UserMem::map(len, false)
    }

    /// As [`UserMem::new`], of a hung mapping, like that of a file whose server does not answer. A
    /// page fault on it sleeps uninterruptibly ("hungpg") until
    /// [`Kernel::release_faults`](crate::Kernel::release_faults).
    ///
    /// # Panics
    ///
    /// As for [`UserMem::new`].
    pub fn hung(len: usize) -> UserMem {
        UserMem::map(len, true)
    }

    fn map(len: usize, hung: bool) -> UserMem {
        let good = len.div_ceil(PAGE) * PAGE;
        let map_len = good + PAGE;
        let size = NonZeroUsize::new(map_len).expect("at least one page");
        let prot = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice replaces nothing.
        let map = unsafe { mmap_anonymous(None, size, prot, MapFlags::MAP_PRIVATE) }
            .expect("no memory for UserMem");
        // SAFETY: the last page of the mapping just made.
        unsafe { mprotect(map.byte_add(good), PAGE, ProtFlags::PROT_NONE) }
            .expect("mprotect of the guard page");
        let map = map.cast::<u8>();
        // SAFETY: both offsets are within the mapping.
        let start = unsafe { map.as_ptr().add(good - len) };
        REGIONS.lock().push(Region {
            start: start as usize,
            len,
            hung,
        });
        HUNG.fetch_add(hung.into(), SeqCst);
        UserMem {
            map,
            map_len,
            start,
            len,
            hung,
        }
    }

    /// The number of good bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no good bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address of the first byte, as a process would put it in a structure that it hands to
    /// ioctl(2).
    pub fn addr(&self) -> usize {
        self.start as usize
    }

    /// A range to be written by the kernel. It may end up to one page after the good bytes.
    ///
    /// # Panics
    ///
    /// If it ends farther out.
    pub fn out(&self, range: impl RangeBounds<usize>) -> UserOut<'_> {
        let (from, to) = self.bounds(range);
        // SAFETY: `bounds` has checked that the range is within the mapping.
        let addr = unsafe { self.start.add(from) };
        UserOut::new(addr, to - from)
    }

    /// A range to be read by the kernel. It may end up to one page after the good bytes.
    ///
    /// # Panics
    ///
    /// If it ends farther out.
    pub fn input(&self, range: impl RangeBounds<usize>) -> UserIn<'_> {
        let (from, to) = self.bounds(range);
        // SAFETY: `bounds` has checked that the range is within the mapping.
        let addr = unsafe { self.start.add(from) };
        UserIn::new(addr, to - from)
    }

    /// Stores `bytes` at `offset`, as the process itself would.
    ///
    /// # Panics
    ///
    /// If they do not fit in the good bytes.
    pub fn store(&self, offset: usize, bytes: &[u8]) {
        assert!(
            offset + bytes.len() <= self.len,
            "UserMem::store beyond the good bytes"
        );
        // SAFETY: within the good bytes, to which there are no references.
        unsafe {
            self.start
                .add(offset)
                .copy_from(bytes.as_ptr(), bytes.len())
        };
    }

    /// The good bytes, as they are now.
    pub fn load(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        // SAFETY: all good bytes are readable, and there are no references to them.
        unsafe { self.start.copy_to(bytes.as_mut_ptr(), self.len) };
        bytes
    }

    fn bounds(&self, range: impl RangeBounds<usize>) -> (usize, usize) {
        let from = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(&n) => n + 1,
            Bound::Excluded(&n) => n,
            Bound::Unbounded => self.len,
        };
        assert!(
            from <= to && to <= self.len + PAGE,
            "range {from}..{to} is not within this UserMem"
        );
        (from, to)
    }
}

impl Drop for UserMem {
    fn drop(&mut self) {
        REGIONS
            .lock()
            .retain(|region| region.start != self.start as usize);
        HUNG.fetch_sub(self.hung.into(), SeqCst);
        // SAFETY: the mapping made by `new`; borrows of it have ended.
        unsafe { munmap(self.map.cast(), self.map_len) }.expect("munmap of UserMem");
    }
}

/// Whether a process may use these bytes as the target of a pointer inside of an argument: they are
/// part of a [`UserMem`]. Other memory of this process belongs to Rust.
pub(crate) fn is_user_region(addr: usize, len: usize) -> bool {
    let end = addr.saturating_add(len);
    REGIONS
        .lock()
        .iter()
        .any(|region| region.start <= addr && end <= region.start + region.len + PAGE)
}

/// Whether one of these bytes is in a hung mapping.
pub(crate) fn is_hung(addr: usize, len: usize) -> bool {
    let touches = |region: &Region| {
        region.hung && addr < region.start + region.len && region.start < addr + len
    };
    HUNG.load(SeqCst) != 0 && REGIONS.lock().iter().any(touches)
}
