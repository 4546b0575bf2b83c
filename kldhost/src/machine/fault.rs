//! Faults: user copies that may fail, and module code that goes wrong.
//!
//! Three kinds of SIGSEGV and its like are told apart by where they happen: in a user copy, which
//! then reports an error to its caller; in module code, which is handed to [`set_handler`]'s
//! function; anywhere else, where the process gets what it would have got without us.

mod copy;
mod signal;

pub use self::copy::{Fault, copy_user};
pub use self::signal::{install, set_handler};

/// What the faulting instruction was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum FaultKind {
    /// It read an address that is not mapped or not readable.
    Read,
    /// It wrote to an address that is not mapped or not writable.
    Write,
    /// It went to an address that is not mapped or not executable.
    Execute,
    /// It used an address that is not canonical, or was a privileged instruction: the CPU does not
    /// tell the two apart.
    Protection,
    /// The CPU does not know it; `ud2` is the usual case.
    IllegalInstruction,
    /// It divided by zero, or the quotient was too large.
    Arithmetic,
}

/// A fault in module code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultInfo {
    /// The address that could not be accessed; 0 for the kinds where there is none.
    pub addr: usize,
    /// The instruction in the module. After a call into nowhere ([`FaultKind::Execute`]) the
    /// instruction behind that call if it is known, else `addr`.
    pub pc: usize,
    /// What it was doing.
    pub kind: FaultKind,
}
