//! Memory of the module's own type, malloc(9).

use super::errno::{Errno, Result};
use core::ffi::{c_int, c_void};
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::NonNull;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    /// `MALLOC_DEFINE` in `c_shim/echodev.c`: vmstat -m shows it as "echodev".
    static mut M_ECHODEV: [sys::malloc_type; 1];
    fn echodev_physmem() -> usize;
}

/// `size` bytes, all zero, or a dangling pointer if `size` is 0. `wait` is M_WAITOK, which may
/// sleep and never fails, or M_NOWAIT, which gives `None` when there is not enough memory.
fn allocate(size: usize, wait: c_int) -> Option<NonNull<c_void>> {
    if size == 0 {
        return Some(NonNull::<u128>::dangling().cast());
    }
    // SAFETY: any size and these flags are valid; the type exists from the module's load to its
    // unload.
    NonNull::new(unsafe { sys::malloc(size, (&raw mut M_ECHODEV).cast(), wait | sys::M_ZERO) })
}

/// The memory of the machine, in bytes. `physmem` in `<sys/systm.h>`.
pub fn physmem() -> usize {
    // SAFETY: the variable is constant after boot.
    unsafe { echodev_physmem() }
}

/// # Safety
///
/// `memory` came from [`allocate`] with the same `size`, and nobody uses it any more.
unsafe fn release(memory: NonNull<c_void>, size: usize) {
    if size != 0 {
        // SAFETY: as the caller says; the type is the one of `allocate`.
        unsafe { sys::free(memory.as_ptr(), (&raw mut M_ECHODEV).cast()) }
    }
}

/// An owned value in kernel memory, at an address that never changes. malloc(9) aligns to 16 bytes
/// or more, which the values here never exceed.
///
/// # Invariants
///
/// The pointer came from [`allocate`] and holds a valid `T`, which this box alone owns.
pub struct KBox<T>(NonNull<T>, PhantomData<T>);

// SAFETY: a box is its content; another thread may own it if it may own a T.
unsafe impl<T: Send> Send for KBox<T> {}

impl<T> KBox<T> {
    const FITS: () = assert!(align_of::<T>() <= 16);

    /// Moves `value` into memory of its own. May sleep.
    pub fn new(value: T) -> Self {
        let () = Self::FITS;
        // SAFETY: with M_WAITOK, malloc(9) never returns NULL.
        let memory =
            unsafe { allocate(size_of::<T>(), sys::M_WAITOK).unwrap_unchecked() }.cast::<T>();
        // SAFETY: the memory is large enough, aligned (see FITS) and nobody else's.
        unsafe { memory.write(value) };
        Self(memory, PhantomData)
    }

    /// Gives the value up to a raw pointer, to be taken back by [`KBox::from_raw`].
    pub fn into_raw(self) -> *mut T {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }

    /// # Safety
    ///
    /// `raw` came from [`KBox::into_raw`], was not taken back before, and nobody uses it any more.
    pub unsafe fn from_raw(raw: *mut T) -> Self {
        // SAFETY: into_raw gave a valid, non-null pointer.
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

impl<T> Drop for KBox<T> {
    fn drop(&mut self) {
        // SAFETY: by the invariant the value is valid, and the box, its only owner, is going away.
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

// SAFETY: bytes belong to no thread.
unsafe impl Send for KBytes {}
// SAFETY: a shared buffer is only read.
unsafe impl Sync for KBytes {}

impl KBytes {
    /// `len` bytes, all zero. ENOMEM if there is not enough memory now: a large allocation that
    /// waits for memory may wait without end. The memory is zeroed here, so it is not for a time
    /// when a lock is held that others wait for.
    pub fn zeroed(len: usize) -> Result<Self> {
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
        // SAFETY: by the invariant; `&mut self` makes the access exclusive.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for KBytes {
    fn drop(&mut self) {
        // SAFETY: the buffer, its only owner, is going away.
        unsafe { release(self.0.cast(), self.0.len()) }
    }
}
