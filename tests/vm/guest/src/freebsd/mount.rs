//! File systems.

use super::files::Iovec;
use super::raw::{Result, syscall};
use core::ffi::CStr;

const SYS_NMOUNT: usize = 378;

/// nmount(2) of a tmpfs(5) on the directory `path`.
pub fn tmpfs(path: &CStr) -> Result<()> {
    let options = [c"fstype", c"tmpfs", c"fspath", path].map(|text| {
        let bytes = text.to_bytes_with_nul();
        Iovec {
            base: bytes.as_ptr() as usize,
            len: bytes.len(),
        }
    });
    // SAFETY: only reads the options.
    unsafe { syscall(SYS_NMOUNT, [options.as_ptr() as usize, options.len(), 0]) }.map(drop)
}
