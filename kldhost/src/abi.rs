//! FreeBSD's binary interfaces: numbers, errno values and the layout of structures.
//!
//! This is the lowest layer, and uses no other. It has data and methods on that data alone, and so
//! no locks.

pub mod errno;
pub mod layout;
pub mod release;
pub mod signal;
pub mod syscall;
