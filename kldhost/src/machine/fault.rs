//! Faults: user copies that may fail, and faults of module code.
//!
//! The place of a SIGSEGV (or SIGBUS, SIGILL, SIGFPE) decides what happens. A user copy reports an
//! error to its caller. A fault in module code is passed to the function of [`set_handler`].
//! Anywhere else, the process gets the signal as if there were no handler.

mod copy;
mod signal;

pub use self::copy::{Fault, copy_user};
pub use self::signal::{install, set_handler};

/// The operation of the faulting instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum FaultKind {
    /// It read an address that is not mapped or not readable.
    Read,
    /// It wrote to an address that is not mapped or not writable.
    Write,
    /// It went to an address that is not mapped or not executable.
    Execute,
    /// It used an address that is not canonical, or was a privileged instruction. The CPU does not
    /// distinguish the two.
    Protection,
    /// The instruction does not exist; `ud2` is the usual case.
    IllegalInstruction,
    /// It divided by zero, or the quotient was too large.
    Arithmetic,
}

/// A fault in module code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultInfo {
    /// The address that could not be accessed; 0 for the kinds where there is none.
    pub addr: usize,
    /// The instruction in the module. After a call to a bad address ([`FaultKind::Execute`]), the
    /// return address of that call if it can be found, else `addr`.
    pub pc: usize,
    /// The operation.
    pub kind: FaultKind,
}
