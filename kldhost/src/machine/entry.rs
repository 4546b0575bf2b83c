//! The entry to module code, and the way out of it for a thread that does not return there.
//!
//! Nothing can unwind through a module. [`exit`] abandons the frames of the module instead. This
//! is sound because they are not Rust frames, and because the KPI function that calls it has
//! dropped everything that it owned.

use std::arch::naked_asm;

/// A call into a module that has not returned.
#[derive(Clone, Copy)]
pub struct Frame {
    /// The stack pointer to go back to; 0 until [`enter`] stores it.
    sp: usize,
}

/// How a call into a module has ended.
#[repr(C)]
pub struct Outcome {
    /// The return value of the function.
    pub value: usize,
    /// 1 if [`exit`] has ended the call, else 0.
    pub abandoned: usize,
}

impl Frame {
    /// The frame of a call that is about to be made.
    pub const NEW: Frame = Frame { sp: 0 };

    /// The place for [`enter`] to store the stack pointer in.
    pub fn save(&mut self) -> *mut usize {
        &raw mut self.sp
    }

    /// Ends the call: its [`enter`] returns, with [`Outcome::abandoned`] set.
    ///
    /// # Safety
    ///
    /// The frame must be the innermost call of this thread that has not returned. The Rust frames
    /// between here and there must have nothing to drop.
    pub unsafe fn abandon(self) -> ! {
        // SAFETY: the frame is live, so `enter` has stored its stack pointer.
        unsafe { exit(self.sp) }
    }
}

/// Saves the callee-saved registers, stores the stack pointer in `save`, and calls `function`.
///
/// # Safety
///
/// `function` must be a C function that takes these arguments. `save` must be valid until it has
/// been written, which is the first thing that happens.
#[unsafe(naked)]
pub unsafe extern "C" fn enter(function: usize, args: &[usize; 6], save: *mut usize) -> Outcome {
    naked_asm!(
        "push rbp",
        "mov rbp, rsp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "sub rsp, 8",
        "mov [rdx], rsp",
        "mov rax, rdi",
        "mov r10, rsi",
        "mov rdi, [r10]",
        "mov rsi, [r10 + 8]",
        "mov rdx, [r10 + 16]",
        "mov rcx, [r10 + 24]",
        "mov r8, [r10 + 32]",
        "mov r9, [r10 + 40]",
        "call rax",
        "xor edx, edx",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

/// Returns from the [`enter`] that has stored `sp`.
#[unsafe(naked)]
unsafe extern "C" fn exit(sp: usize) -> ! {
    naked_asm!(
        "mov rsp, rdi",
        "xor eax, eax",
        "mov edx, 1",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}
