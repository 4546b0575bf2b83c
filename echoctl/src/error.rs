//! What can go wrong, in words for whoever typed the command.

use crate::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command failed. Its text names the device, what was asked of it, and the reason in the
/// system's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// open(2) failed.
    #[error("{path}: {reason}", path = path.display(), reason = reason(*errno))]
    Open {
        /// The device.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Another system call failed.
    #[error("{path}: {request}: {reason}{hint}", path = path.display(), reason = reason(*errno))]
    Request {
        /// The device.
        path: PathBuf,
        /// What was asked of it.
        request: String,
        /// Why.
        errno: Errno,
        /// What to do about it, in parentheses after a space; or nothing.
        hint: &'static str,
    },
    /// It does not know the requests of an echo device.
    #[error("{path}: not an echo device", path = .0.display())]
    NotEcho(PathBuf),
    /// It was unloaded while it was open.
    #[error("{path}: the device is gone", path = .0.display())]
    Gone(PathBuf),
    /// Writing the answer failed.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl Error {
    pub(crate) fn request(path: &Path, request: impl Into<String>, errno: Errno) -> Self {
        Self::Request {
            path: path.to_owned(),
            request: request.into(),
            errno,
            hint: "",
        }
    }
}

/// The system's own words, as strerror(3) has them.
fn reason(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.split(" (os error ")
        .next()
        .unwrap_or_default()
        .to_owned()
}
