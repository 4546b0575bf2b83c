//! Reads a module's file from the host.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::error::LoadError;

/// The largest file that is taken for a module, in bytes.
const SIZE_MAX: u64 = 64 << 20;

/// Reads a whole file. Only regular files are opened, so that a device or FIFO cannot block.
///
/// # Errors
///
/// [`LoadError::Unreadable`] with the error of the system, or because it is not a regular file.
pub fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: io::Error| LoadError::Unreadable(reason(&error));
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(LoadError::Unreadable(Errno::EISDIR.desc().into()));
    }
    if !metadata.is_file() {
        return Err(LoadError::Unreadable("Not a regular file".into()));
    }
    if metadata.len() > SIZE_MAX {
        return Err(LoadError::Unreadable(format!(
            "Larger than {} MiB, as no kernel module is",
            SIZE_MAX >> 20
        )));
    }
    fs::read(path).map_err(unreadable)
}

/// The words of strerror(3), without the number that std appends.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}
