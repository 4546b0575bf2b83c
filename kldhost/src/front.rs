//! The fronts: what offers a hosted kernel's devices to other programs.
//!
//! Uses the layers up to `syscall`. A front makes system calls of the hosted kernel, on threads of
//! its own. Its locks are its own, and none is held during a system call that may sleep.

pub mod fuse;
