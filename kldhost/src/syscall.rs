//! The system calls, with the rules of FreeBSD's own layer: one method of [`Process`] each.
//!
//! Uses all layers before it. [`Kernel`] is a kernel as its users have it: the state of the layers
//! below, and the processes. A system call is a closure that runs on the calling thread, between
//! entering and leaving the kernel: see `enter`.
//!
//! Locking: the mutex of a process's descriptor table is held while a descriptor is closed and its
//! knotes are dropped, and so comes before the locks of the device layer. It is never held while a
//! file is closed. `kld_sx` is held over a load or unload as a whole, module code included.

mod call;
mod enter;
mod fd;
mod ioctl;
mod kernel;
mod kevent;
mod kld;
mod poll;
mod proc;
mod process;
mod procs;
mod rw;
mod select;
mod signal;

pub use call::Call;
pub use ioctl::IoctlArg;
pub use kernel::Kernel;
pub use kld::KldError;
pub use poll::PollWatch;
pub use process::Process;
