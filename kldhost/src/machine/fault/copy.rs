//! Copies that may fault.

use std::arch::global_asm;

/// A copy touched memory that cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault;

// All accesses are between the two labels, so that one comparison in the signal handler identifies
// a fault of a copy. rcx counts the remaining bytes. `rep movsb` is the fastest for many bytes, but
// starts slowly.
global_asm!(
    ".globl kldhost_copy, kldhost_copy_done",
    "kldhost_copy:",
    "mov rcx, rdx",
    "cmp rcx, 64",
    "jbe 3f",
    "rep movsb",
    "jmp kldhost_copy_done",
    "2:",
    "mov rax, [rsi]",
    "mov [rdi], rax",
    "add rsi, 8",
    "add rdi, 8",
    "sub rcx, 8",
    "3:",
    "cmp rcx, 8",
    "jae 2b",
    "jmp 5f",
    "4:",
    "mov al, [rsi]",
    "mov [rdi], al",
    "inc rsi",
    "inc rdi",
    "dec rcx",
    "5:",
    "test rcx, rcx",
    "jnz 4b",
    // A fault above continues here.
    "kldhost_copy_done:",
    "mov rax, rcx",
    "ret",
);

unsafe extern "C" {
    /// Returns how many bytes were not copied.
    fn kldhost_copy(dst: *mut u8, src: *const u8, len: usize) -> usize;
    static kldhost_copy_done: u8;
}

/// Copies `len` bytes where one side may be a bad user address. After an error any number of bytes
/// may have been copied.
///
/// # Errors
///
/// [`Fault`] when an access faults.
///
/// # Safety
///
/// The side that is kernel memory must be valid for `len` bytes, and the two sides must not
/// overlap. Nothing in this process may hold a reference to the bytes that are written.
/// [`install`](super::install) must have been called.
pub unsafe fn copy_user(dst: *mut u8, src: *const u8, len: usize) -> Result<(), Fault> {
    // SAFETY: the function follows the C calling convention; an access that faults is ended by the
    // signal handler.
    let left = unsafe { kldhost_copy(dst, src, len) };
    if left == 0 { Ok(()) } else { Err(Fault) }
}

/// Where execution continues after a fault at `pc`, if it was a copy's.
pub(super) fn fixup(pc: usize) -> Option<usize> {
    let done = (&raw const kldhost_copy_done).addr();
    (kldhost_copy as *const () as usize..done)
        .contains(&pc)
        .then_some(done)
}

/// The word at `address`, if it can be read. May be called in a signal handler that does not block
/// its own signal.
pub(super) fn peek(address: usize) -> Option<usize> {
    let mut word = 0usize;
    // SAFETY: `word` belongs to this function. The memory at `address` is only read.
    let copied = unsafe {
        copy_user(
            (&raw mut word).cast(),
            address as *const u8,
            size_of::<usize>(),
        )
    };
    copied.ok().map(|()| word)
}
