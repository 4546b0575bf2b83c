//! The machine that a kernel runs on: threads and time, faults, per-CPU data, the entry to module
//! code, and the memory of processes.
//!
//! Uses `image`, to find out whether a fault is in a module. The kernel's threads and processes are
//! in the layers above.
//!
//! Locking: everything that blocks is in [`sync`], whose rules apply to all layers above. The mutex
//! in [`usermem`] is a leaf. The signal handler takes no lock.

pub mod entry;
pub mod fault;
pub mod pcpu;
pub mod sync;
pub mod usermem;
