//! FreeBSD's system calls on amd64. Numbers and structures are those of 12, which all later kernels
//! also have.

pub mod files;
pub mod kernel;
pub mod kinfo;
pub mod mapping;
pub mod mount;
pub mod processes;
mod raw;
pub mod sockets;
pub mod sysctl;
pub mod time;
pub mod wait;

pub use raw::Result;
