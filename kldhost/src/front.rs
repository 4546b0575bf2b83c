//! The fronts, which offer the devices of a hosted kernel to other programs.
//!
//! Uses the layers up to `syscall`. A front makes system calls of the hosted kernel, on threads
//! that it starts. It holds none of its locks during a system call that may sleep.

pub mod fuse;
