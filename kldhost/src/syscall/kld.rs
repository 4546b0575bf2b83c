//! kldload(2) and kldunload(2).

use std::path::Path;

use super::Process;
use super::errno::Errno;
use crate::image;
use crate::kernel::{KldError, KldId};

impl Process {
    /// kldload(2), as [`crate::Kernel::kldload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn kldload(&self, path: &Path) -> Result<KldId, KldError> {
        let bytes = image::read_file(path).map_err(|error| KldError::Image {
            name: path.display().to_string(),
            error,
        })?;
        let name = path.file_name().map_or_else(
            || path.display().to_string(),
            |name| name.to_string_lossy().into_owned(),
        );
        self.kldload_bytes(&name, &bytes)
    }

    /// As [`Process::kldload`], of a file that has been read.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn kldload_bytes(&self, name: &str, bytes: &[u8]) -> Result<KldId, KldError> {
        let mut why = None;
        let loaded = self.call("kldload", |td| {
            td.kernel().kldload(td, name, bytes).map_err(|error| {
                let errno = error.errno();
                why = Some(error);
                errno
            })
        });
        loaded.map_err(|error| match why {
            Some(why) if error != Errno::PANICKED => why,
            _ => KldError::Refused {
                name: name.to_string(),
                error,
                detail: None,
                mod_load: None,
            },
        })
    }

    /// kldunload(2), as [`crate::Kernel::kldunload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn kldunload(&self, id: KldId) -> Result<(), Errno> {
        self.call("kldunload", |td| td.kernel().kldunload(td, id))
    }
}
