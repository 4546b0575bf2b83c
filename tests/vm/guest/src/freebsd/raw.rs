//! The system call instruction.

use suite::errno::Errno;

/// The result of a system call.
pub type Result<T> = suite::sys::Result<T>;

/// Makes the system call `number`, with at most six arguments.
///
/// # Safety
///
/// The call reads and writes memory that the arguments point to, which must be sound.
pub unsafe fn syscall<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    let result;
    let failed: u8;
    // SAFETY: the caller's promise. The kernel may change the registers named here, and no others.
    unsafe {
        core::arch::asm!(
            "syscall",
            "setc {failed}",
            failed = out(reg_byte) failed,
            inlateout("rax") number => result,
            in("rdi") all[0],
            in("rsi") all[1],
            inlateout("rdx") all[2] => _,
            inlateout("r10") all[3] => _,
            inlateout("r8") all[4] => _,
            inlateout("r9") all[5] => _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if failed == 0 {
        Ok(result)
    } else {
        Err(Errno(result as i32))
    }
}
