//! The kernel functions that modules call, at the C ABI, by FreeBSD's names.
//!
//! Each function has three parts. The entry, whose address modules get, stores the place of the
//! call. A second entry is for kernels with a [`Config::hook`](crate::Config::hook). The third part
//! is the function itself. If it finds the kernel dead, it returns [`Stop`], and the thread leaves
//! the module.

mod conf;
mod event;
mod kenv;
mod libkern;
mod locks;
mod malloc;
mod module;
mod print;
mod sleep;
mod time;
mod uio;
mod varargs;

use std::arch::naked_asm;

use crate::abi::release::Release;
use crate::kern::config::KpiCall;
use crate::kern::report::Stop;
use crate::kern::thread::{Thread, current};
use crate::kern::{Kern, module_call};
use crate::machine::pcpu::CALLER;
use crate::machine::sync;

/// A symbol of the kernel.
pub struct Symbol {
    name: &'static str,
    /// The address for modules.
    entry: unsafe extern "C" fn(),
    /// The address for modules if there is a hook.
    hooked: unsafe extern "C" fn(),
}

/// All functions, by file.
static SYMBOLS: &[&[Symbol]] = &[
    conf::SYMBOLS,
    conf::FIXED_SYMBOLS,
    event::SYMBOLS,
    kenv::SYMBOLS,
    libkern::SYMBOLS,
    locks::SYMBOLS,
    malloc::SYMBOLS,
    module::SYMBOLS,
    print::SYMBOLS,
    print::FIXED_SYMBOLS,
    sleep::SYMBOLS,
    time::SYMBOLS,
    uio::SYMBOLS,
];

/// The address of a kernel symbol, function or data.
pub fn resolve(kern: &Kern, name: &str) -> Option<usize> {
    function(name, kern.release, kern.hook.is_some()).or_else(|| kern.data.resolve(name))
}

/// The address of a function, in a kernel of this release, with a hook or without.
pub fn function(name: &str, release: Release, hooked: bool) -> Option<usize> {
    let found = SYMBOLS
        .iter()
        .copied()
        .flatten()
        .find(|symbol| symbol.name == name && release.has_symbol(name));
    found.map(|symbol| if hooked { symbol.hooked } else { symbol.entry } as usize)
}

/// Runs the body of KPI function `name`. Another thread may run after the body, before the module
/// continues. A thread for which no other has a reason to wait may also stay away here.
fn run<T>(name: &'static str, body: impl FnOnce(&Thread) -> Result<T, Stop>) -> T {
    let td = current();
    module_call::enter_kpi(td);
    match body(td) {
        Ok(value) => {
            sync::stay(name, || td.is_free());
            value
        }
        Err(Stop) => module_call::leave(td),
    }
}

/// A pointer that a module gave, to something that must be there.
fn arg<'a, T>(td: &Thread, call: &str, pointer: *const T) -> Result<&'a T, Stop> {
    check_pointer(td, call, pointer.addr())?;
    // SAFETY: the KPI requires a valid pointer. The part that can be checked by address was
    // checked.
    Ok(unsafe { &*pointer })
}

/// As [`arg`], to be changed.
fn arg_mut<'a, T>(td: &Thread, call: &str, pointer: *mut T) -> Result<&'a mut T, Stop> {
    check_pointer(td, call, pointer.addr())?;
    // SAFETY: as in `arg`; the caller must not use it at the same time.
    Ok(unsafe { &mut *pointer })
}

/// The first page is never mapped, and no address has more than 47 bits here.
fn check_pointer(td: &Thread, call: &str, addr: usize) -> Result<(), Stop> {
    if (4096..1 << 47).contains(&addr) {
        return Ok(());
    }
    Err(td.misuse(call, format!("page fault: the pointer is {addr:#x}"), None))
}

/// The data of a hooked entry.
#[repr(C)]
pub struct HookPoint {
    /// The plain entry. The first field, for `hooked_entry`.
    entry: unsafe extern "C" fn(),
    name: &'static str,
}

#[repr(C)]
struct HookResult {
    value: i64,
    replaced: usize,
}

extern "C" fn run_hook(point: &HookPoint, args: &[u64; 6]) -> HookResult {
    let hook = current().kernel().hook.as_ref();
    let value = hook.and_then(|hook| {
        hook(&KpiCall {
            name: point.name,
            args: *args,
        })
    });
    HookResult {
        value: value.unwrap_or(0),
        replaced: value.is_some().into(),
    }
}

/// Calls the hook with the argument registers. Then it continues at the plain entry, or returns.
/// r11 has the address of the [`HookPoint`].
#[unsafe(naked)]
unsafe extern "C" fn hooked_entry() {
    naked_asm!(
        "push r9",
        "push r8",
        "push rcx",
        "push rdx",
        "push rsi",
        "push rdi",
        "push r11",
        "mov rdi, r11",
        "lea rsi, [rsp + 8]",
        "mov rax, [rsp + 56]",
        "mov gs:[{caller}], rax",
        "call {run_hook}",
        "test rdx, rdx",
        "jne 2f",
        "pop r11",
        "pop rdi",
        "pop rsi",
        "pop rdx",
        "pop rcx",
        "pop r8",
        "pop r9",
        "jmp [r11]",
        "2:",
        "add rsp, 56",
        "ret",
        caller = const CALLER,
        run_hook = sym run_hook,
    )
}

/// Defines KPI functions. `td` is the thread that calls. The body returns `Result<_, Stop>`.
macro_rules! kpi {
    ($($(#[$doc:meta])* fn $name:ident($td:ident $(, $arg:ident: $type:ty)* $(,)?) -> $return:ty $body:block)*) => {
        $($(#[$doc])* mod $name {
            use super::*;

            extern "C" fn function($($arg: $type),*) -> $return {
                $crate::kpi::run(stringify!($name), |$td| -> Result<$return, $crate::kern::report::Stop> { $body })
            }

            #[unsafe(naked)]
            pub unsafe extern "C" fn entry() {
                std::arch::naked_asm!(
                    "mov r11, [rsp]",
                    "mov gs:[{caller}], r11",
                    "jmp {function}",
                    caller = const $crate::machine::pcpu::CALLER,
                    function = sym function,
                )
            }

            $crate::kpi::hooked!($name);
        })*

        $crate::kpi::symbols!($($name),*);
    };
}

/// The hooked entry of a function that has an `entry`.
macro_rules! hooked {
    ($name:ident) => {
        static POINT: $crate::kpi::HookPoint =
            $crate::kpi::HookPoint { entry, name: stringify!($name) };

        #[unsafe(naked)]
        pub unsafe extern "C" fn hooked() {
            std::arch::naked_asm!(
                "lea r11, [rip + {point}]",
                "jmp {hooked}",
                point = sym POINT,
                hooked = sym $crate::kpi::hooked_entry,
            )
        }
    };
}

/// The table of a file's functions.
macro_rules! symbols {
    ($($name:ident),*) => {
        pub const SYMBOLS: &[$crate::kpi::Symbol] = &[$($crate::kpi::Symbol {
            name: stringify!($name),
            entry: $name::entry,
            hooked: $name::hooked,
        }),*];
    };
}

use {hooked, kpi, symbols};
