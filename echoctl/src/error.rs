//! The errors, with messages for the user.

use crate::Errno;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command failed. Its text has the device, the request, and the reason in the system's
/// words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// open(2) failed.
    #[error("{path}: {reason}", path = path.display(), reason = reason(*errno))]
    Open {
        /// The device.
        path: PathBuf,
        /// The reason.
        errno: Errno,
    },
    /// Another system call failed.
    #[error("{path}: {request}: {reason}{hint}", path = path.display(), reason = reason(*errno))]
    Request {
        /// The device.
        path: PathBuf,
        /// The request.
        request: String,
        /// The reason.
        errno: Errno,
        /// A remedy in parentheses after a space, or nothing.
        hint: &'static str,
    },
    /// It does not support the requests of an echo device.
    #[error("{path}: not an echo device", path = .0.display())]
    NotEcho(PathBuf),
    /// It was unloaded while it was open.
    #[error("{path}: the device is gone", path = .0.display())]
    Gone(PathBuf),
    /// The output could not be written.
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

/// The text of strerror(3).
fn reason(errno: Errno) -> String {
    let text = io::Error::from(errno).to_string();
    text.split(" (os error ")
        .next()
        .unwrap_or_default()
        .to_owned()
}
