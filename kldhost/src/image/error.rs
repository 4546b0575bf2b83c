//! Why a file is refused, as readable messages.

use nix::errno::Errno;
use thiserror::Error;

/// Why a file cannot be loaded. Every message is one line and does not name the file; the caller
/// does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file itself cannot be read, for this reason.
    #[error("{0}")]
    Unreadable(String),
    /// Not ELF at all.
    #[error("not an ELF file")]
    NotElf,
    /// Sound ELF, perhaps, but nothing that FreeBSD/amd64 would load as a module.
    #[error("not a kernel module for FreeBSD/amd64: {0}")]
    NotAModule(String),
    /// The file contradicts itself or ends too early.
    #[error("damaged or truncated: {0}")]
    Damaged(String),
    /// A module that needs something that neither the FreeBSD loader nor kldhost provides.
    #[error("cannot be loaded: {0}")]
    Unsupported(String),
    /// A relocation that cannot be applied.
    #[error("relocation {kind} at {place} against {symbol}: {problem}")]
    Relocation {
        /// The type, such as `R_X86_64_GOTPCREL`.
        kind: String,
        /// The symbol that it refers to.
        symbol: String,
        /// Section and offset of the place to be changed.
        place: String,
        /// The problem.
        problem: String,
    },
    /// Symbols that neither the module nor the kernel defines; all of them, sorted.
    #[error("undefined symbols that this kernel does not have: {}", .0.join(", "))]
    Undefined(Vec<String>),
    /// The host gave no memory.
    #[error("no memory below 2 GB for an image of {size} bytes: {errno}")]
    Memory {
        /// Requested bytes.
        size: usize,
        /// The error of the host.
        errno: Errno,
    },
    /// Too many images are loaded in this process.
    #[error("more than {0} modules loaded at a time")]
    TooManyImages(usize),
}

/// Shorthand for [`LoadError::Damaged`].
pub(crate) fn damaged(what: impl Into<String>) -> LoadError {
    LoadError::Damaged(what.into())
}

/// Shorthand for [`LoadError::Unsupported`].
pub(crate) fn unsupported(what: impl Into<String>) -> LoadError {
    LoadError::Unsupported(what.into())
}
