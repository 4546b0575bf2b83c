//! Kernel memory, malloc(9), `<sys/malloc.h>`.
//!
//! All memory is of the malloc type of the driver (`MALLOC_DEFINE` in its C file), and is zeroed
//! and owned.
#![doc = concat!("```ignore\n", include_str!("../examples/malloc.rs"), "```")]

use crate::errno::{Errno, Result};
use crate::tables;
use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn kpi_physmem() -> usize;
}

/// The physical memory of the machine, in bytes. `physmem` in `<sys/systm.h>`.
pub fn physmem() -> usize {
    // SAFETY: the variable is constant after boot.
    unsafe { kpi_physmem() }
}

/// Allocates `size` zeroed bytes. Returns a dangling pointer if `size` is 0. `wait` is M_WAITOK,
/// which may sleep and never fails, or M_NOWAIT, which returns `None` when memory is short.
fn allocate(size: usize, wait: c_int) -> Option<NonNull<c_void>> {
    if size == 0 {
        return Some(NonNull::<u128>::dangling().cast());
    }
    // SAFETY: any size and these flags are valid. The type exists while the module is loaded.
    NonNull::new(unsafe { sys::malloc(size, tables().malloc_type, wait | sys::M_ZERO) })
}

/// # Safety
///
/// `memory` came from [`allocate`] with the same `size`, and is no longer used.
unsafe fn release(memory: NonNull<c_void>, size: usize) {
    if size != 0 {
        // SAFETY: the caller guarantees it. The malloc type is that of `allocate`.
        unsafe { sys::free(memory.as_ptr(), tables().malloc_type) }
    }
}

/// An owned value in kernel memory, at an address that never changes.
///
/// # Invariants
///
/// The pointer came from [`allocate`] and holds a valid `T`, which this box alone owns.
pub struct KBox<T>(NonNull<T>, PhantomData<T>);

// SAFETY: a box owns its value, so another thread may own the box if it may own the value.
unsafe impl<T: Send> Send for KBox<T> {}
// SAFETY: a shared box only gives shared references to its value.
unsafe impl<T: Sync> Sync for KBox<T> {}

impl<T> KBox<T> {
    /// malloc(9) aligns to 16 bytes or more.
    const FITS: () = assert!(align_of::<T>() <= 16);

    /// Moves `value` into memory of its own. May sleep.
    pub fn new(value: T) -> Self {
        let () = Self::FITS;
        // SAFETY: with M_WAITOK, malloc(9) never returns NULL.
        let memory = unsafe { allocate(size_of::<T>(), sys::M_WAITOK).unwrap_unchecked() };
        let memory = memory.cast::<T>();
        // SAFETY: the memory is large enough, aligned (FITS), and not yet shared.
        unsafe { memory.write(value) };
        Self(memory, PhantomData)
    }

    /// Returns the value as a raw pointer, for [`KBox::from_raw`].
    pub(crate) fn into_raw(self) -> *mut T {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }

    /// # Safety
    ///
    /// `raw` came from [`KBox::into_raw`], was not taken back since, and is no longer used.
    pub(crate) unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: into_raw returned a valid pointer, which is not NULL.
        Self(unsafe { NonNull::new_unchecked(raw) }, PhantomData)
    }
}

impl<T> Deref for KBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: by the invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: by the invariant, and `&mut self` makes the access exclusive.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant the value is valid, and its only owner is going away.
        unsafe {
            self.0.drop_in_place();
            release(self.0.cast(), size_of::<T>());
        }
    }
}

/// An owned array of bytes in kernel memory.
///
/// # Invariants
///
/// The slice came from [`allocate`], is initialised, and this buffer alone owns it.
pub struct KBytes(NonNull<[u8]>);

// SAFETY: bytes may be used by any thread.
unsafe impl Send for KBytes {}
// SAFETY: a shared buffer is only read.
unsafe impl Sync for KBytes {}

impl KBytes {
    /// Allocates `len` zeroed bytes. ENOMEM if memory is short at the moment: a large allocation
    /// that waits for memory may wait without end. Zeroing takes time, so call it without a lock.
    pub fn zeroed(len: usize) -> Result<Self> {
        // malloc(9) rounds sizes up, and must not wrap one to 0.
        if len > physmem() {
            return Err(Errno::ENOMEM);
        }
        let memory = allocate(len, sys::M_NOWAIT).ok_or(Errno::ENOMEM)?;
        Ok(Self(NonNull::slice_from_raw_parts(memory.cast(), len)))
    }
}

impl AsRef<[u8]> for KBytes {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: by the invariant.
        unsafe { self.0.as_ref() }
    }
}

impl AsMut<[u8]> for KBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: by the invariant, and `&mut self` makes the access exclusive.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for KBytes {
    fn drop(&mut self) {
        // SAFETY: by the invariant. The only owner is going away.
        unsafe { release(self.0.cast(), self.0.len()) }
    }
}
