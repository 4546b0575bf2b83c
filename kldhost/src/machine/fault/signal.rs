//! The signal handler.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Once, OnceLock};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

use super::{FaultInfo, FaultKind, copy};
use crate::image::is_module;

const SIGNALS: [Signal; 4] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGILL,
    Signal::SIGFPE,
];

/// The previous handlers; [`pass_on`] calls them.
static PREVIOUS: [OnceLock<SigAction>; SIGNALS.len()] = [const { OnceLock::new() }; SIGNALS.len()];

/// A `fn(&FaultInfo) -> !`, or 0.
static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Installs the handler for SIGSEGV, SIGBUS, SIGILL and SIGFPE. Calls after the first do nothing.
///
/// # Panics
///
/// When sigaction(2) fails, which it does for no signal named here.
pub fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // The handler runs on the alternate stack that std sets up for every thread, because a
        // module may have used up the other. Its signal is not blocked, because the handler itself
        // reads memory that may be bad.
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK | SaFlags::SA_NODEFER;
        let action = SigAction::new(SigHandler::SigAction(on_signal), flags, SigSet::empty());
        for (signal, previous) in SIGNALS.into_iter().zip(&PREVIOUS) {
            // SAFETY: `on_signal` calls nothing that a signal handler may not call.
            let old = unsafe { sigaction(signal, &action) }
                .expect("sigaction(2) accepts signals that can be caught");
            let _ = previous.set(old);
        }
    });
}

/// Sets the handler of faults in modules. `handler` runs on the faulting thread, outside of signal
/// context, on its own stack of 256 KiB. The faulting code is never resumed and never unwound.
/// Without a handler, a fault in a module ends the process like any other.
pub fn set_handler(handler: fn(&FaultInfo) -> !) {
    HANDLER.store(handler as usize, Ordering::Release);
}

extern "C" fn on_signal(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo and the ucontext of the interrupted code. Both are
    // exclusive to this handler until it returns.
    let (info, context) = unsafe { (&mut *info, &mut *context.cast::<libc::ucontext_t>()) };
    let registers = &mut context.uc_mcontext.gregs;
    // A positive code: the CPU's doing, not kill(2)'s.
    if info.si_code > 0 {
        let pc = registers[libc::REG_RIP as usize] as usize;
        if let Some(target) = copy::fixup(pc) {
            registers[libc::REG_RIP as usize] = target as i64;
            return;
        }
        // SAFETY: all four signals carry an address when the CPU raised them.
        let addr = unsafe { info.si_addr() } as usize;
        if let Some(fault) = module_fault(registers, addr)
            && HANDLER.load(Ordering::Acquire) != 0
            && let Some(stack) = new_stack()
        {
            leave_to_handler(registers, &fault, stack);
            return;
        }
    }
    pass_on(signal, info, context);
}

/// The fault, if it is a module's doing.
fn module_fault(registers: &[i64], addr: usize) -> Option<FaultInfo> {
    let pc = registers[libc::REG_RIP as usize] as usize;
    let kind = fault_kind(registers, addr);
    if is_module(pc) && kind != FaultKind::Execute {
        let addr = if matches!(kind, FaultKind::Read | FaultKind::Write) {
            addr
        } else {
            0
        };
        return Some(FaultInfo { addr, pc, kind });
    }
    if kind != FaultKind::Execute {
        return None;
    }
    // The instruction pointer is outside of all code. A call has left its return address on the
    // stack. A jump leaves no trace, but only modules do this.
    let return_address = copy::peek(registers[libc::REG_RSP as usize] as usize);
    match return_address.filter(|&address| is_module(address)) {
        Some(caller) => Some(FaultInfo {
            addr,
            pc: caller,
            kind,
        }),
        None => (is_module(pc) || runs_modules()).then_some(FaultInfo { addr, pc, kind }),
    }
}

fn fault_kind(registers: &[i64], addr: usize) -> FaultKind {
    /// The bits of a page fault's error code.
    const WRITE: i64 = 1 << 1;
    const FETCH: i64 = 1 << 4;
    let pc = registers[libc::REG_RIP as usize] as usize;
    let code = registers[libc::REG_ERR as usize];
    match registers[libc::REG_TRAPNO as usize] {
        6 => FaultKind::IllegalInstruction,
        14 if code & WRITE != 0 => FaultKind::Write,
        14 if code & FETCH != 0 || pc == addr => FaultKind::Execute,
        14 => FaultKind::Read,
        0 | 16 | 19 => FaultKind::Arithmetic,
        _ => FaultKind::Protection,
    }
}

/// Whether this thread has a GS base. Threads that run module code have one, in place of the
/// kernel's per-CPU data.
fn runs_modules() -> bool {
    const ARCH_GET_GS: c_int = 0x1004;
    let mut base = 0usize;
    // SAFETY: the call stores one word.
    let failed = unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_GET_GS, &raw mut base) };
    failed == 0 && base != 0
}

/// The top of a new stack, with an inaccessible page below it. It is never unmapped. A fault is the
/// end of its kernel, so there are few.
fn new_stack() -> Option<usize> {
    const SIZE: usize = 256 << 10;
    const GUARD: usize = 4096;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping at an address of the system's choice. The call is a bare system call,
    // fit for a handler.
    let bottom = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            SIZE,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    if bottom == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the page is part of the mapping just made.
    let guarded = unsafe { libc::mprotect(bottom, GUARD, libc::PROT_NONE) };
    (guarded == 0).then_some(bottom as usize + SIZE)
}

/// Makes the interrupted code continue in [`call_handler`].
fn leave_to_handler(registers: &mut [i64], fault: &FaultInfo, stack: usize) {
    const DIRECTION_FLAG: i64 = 1 << 10;
    // As if called: the ABI requires the stack to be aligned to 16 before the return address is
    // pushed.
    registers[libc::REG_RSP as usize] = (stack - 8) as i64;
    registers[libc::REG_RIP as usize] = call_handler as *const () as i64;
    registers[libc::REG_RDI as usize] = fault.addr as i64;
    registers[libc::REG_RSI as usize] = fault.pc as i64;
    registers[libc::REG_RDX as usize] = fault.kind as i64;
    registers[libc::REG_EFL as usize] &= !DIRECTION_FLAG;
}

/// Runs on the faulting thread, on its new stack, outside of signal context.
extern "C" fn call_handler(addr: usize, pc: usize, kind: FaultKind) -> ! {
    // SAFETY: only `set_handler` stores here, and this function runs only after it did.
    let handler: fn(&FaultInfo) -> ! =
        unsafe { std::mem::transmute(HANDLER.load(Ordering::Acquire)) };
    handler(&FaultInfo { addr, pc, kind })
}

/// Does what would happen without this handler. That is the previous handler (the one of std
/// reports stack overflows), or the default action.
fn pass_on(signal: c_int, info: &mut libc::siginfo_t, context: &mut libc::ucontext_t) {
    let Some(index) = SIGNALS.iter().position(|&ours| ours as c_int == signal) else {
        return;
    };
    match PREVIOUS[index].get().map(SigAction::handler) {
        Some(SigHandler::SigAction(handler)) => {
            handler(signal, info, std::ptr::from_mut(context).cast())
        }
        Some(SigHandler::Handler(handler)) => handler(signal),
        _ => {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            // SAFETY: no handler is installed here.
            let _ = unsafe { sigaction(SIGNALS[index], &default) };
            // The CPU raises it again after the return. A signal from kill(2) has to be sent again.
            if info.si_code <= 0 {
                let _ = raise(SIGNALS[index]);
            }
        }
    }
}
