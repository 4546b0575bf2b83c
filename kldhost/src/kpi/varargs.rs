//! Variable argument lists, as the amd64 ABI has them, and printf's formats.

use std::ffi::{c_char, c_int};

/// `va_list`: where the arguments are that have not been taken.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VaList {
    gp_offset: u32,
    fp_offset: u32,
    overflow_arg_area: *const u64,
    reg_save_area: *const u8,
}

/// Bytes of the registers saved: six of them.
pub const SAVED: u32 = 48;

impl VaList {
    /// Takes the next argument, an integer or pointer.
    ///
    /// # Safety
    ///
    /// There must be one.
    pub unsafe fn next(&mut self) -> u64 {
        if self.gp_offset < SAVED {
            // SAFETY: the area has six registers, of which this is one.
            let value = unsafe {
                self.reg_save_area
                    .add(self.gp_offset as usize)
                    .cast::<u64>()
                    .read()
            };
            self.gp_offset += 8;
            return value;
        }
        // SAFETY: as required of the caller.
        let value = unsafe { self.overflow_arg_area.read() };
        self.overflow_arg_area = self.overflow_arg_area.wrapping_add(1);
        value
    }
}

unsafe extern "C" {
    fn vsnprintf(buf: *mut c_char, size: usize, format: *const c_char, args: *mut VaList) -> c_int;
}

/// Formats into `buf`, of `size` bytes; the length that there would have been with room enough.
///
/// # Safety
///
/// `buf` must be valid for `size` bytes. The format must be terminated, and the arguments must
/// match it.
pub unsafe fn format_into(
    buf: *mut c_char,
    size: usize,
    format: *const c_char,
    args: &VaList,
) -> c_int {
    let mut args = *args;
    // SAFETY: as required of the caller. FreeBSD's formats are those of the C library, except for
    // %b and %D, which modules seldom use.
    unsafe { vsnprintf(buf, size, format, &mut args) }
}

/// Formats.
///
/// # Safety
///
/// The format must be terminated, and the arguments must match it.
pub unsafe fn format(format: *const c_char, args: &VaList) -> String {
    // SAFETY: as required of the caller; nothing is written.
    let length = unsafe { format_into(std::ptr::null_mut(), 0, format, args) }.max(0) as usize;
    let mut text = vec![0u8; length + 1];
    // SAFETY: as required of the caller; the text fits.
    unsafe { format_into(text.as_mut_ptr().cast(), text.len(), format, args) };
    text.pop();
    String::from_utf8_lossy(&text).into_owned()
}

/// Defines variadic KPI functions. They get all arguments, including the named ones, through a
/// [`VaList`].
macro_rules! kpi_variadic {
    ($($(#[$doc:meta])* fn $name:ident($td:ident, $args:ident) -> $return:ty $body:block)*) => {
        $($(#[$doc])* mod $name {
            use super::*;

            extern "C" fn function($args: &mut $crate::kpi::varargs::VaList) -> $return {
                $crate::kpi::run(stringify!($name), |$td| -> Result<$return, $crate::kern::report::Stop> { $body })
            }

            // Saves the registers that may hold arguments, below the return address. The other
            // arguments are above it.
            #[unsafe(naked)]
            pub unsafe extern "C" fn entry() {
                std::arch::naked_asm!(
                    "mov r11, [rsp]",
                    "mov gs:[{caller}], r11",
                    "push r9",
                    "push r8",
                    "push rcx",
                    "push rdx",
                    "push rsi",
                    "push rdi",
                    "mov r10, rsp",
                    "lea r11, [rsp + {saved} + 8]",
                    "sub rsp, 24",
                    "mov dword ptr [rsp], 0",
                    "mov dword ptr [rsp + 4], 176",
                    "mov [rsp + 8], r11",
                    "mov [rsp + 16], r10",
                    "mov rdi, rsp",
                    "call {function}",
                    "add rsp, {saved} + 24",
                    "ret",
                    caller = const $crate::machine::pcpu::CALLER,
                    saved = const $crate::kpi::varargs::SAVED,
                    function = sym function,
                )
            }

            $crate::kpi::hooked!($name);
        })*
    };
}

pub(super) use kpi_variadic;
