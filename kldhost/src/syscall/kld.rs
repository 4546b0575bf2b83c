//! kldload(2) and kldunload(2).

mod unload;

use std::path::Path;

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::syscall::KldId;
use crate::image::{self, Image, LoadError, Metadata};
use crate::kern::Kern;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::kpi;
use unload::unload;

/// Why kldload(2) failed.
#[derive(Debug, thiserror::Error)]
pub enum KldError {
    /// The file cannot be loaded (ENOEXEC), or not even read (ENOENT).
    #[error("{name}: {error}")]
    Image {
        /// Its name.
        name: String,
        /// The error.
        error: LoadError,
    },
    /// The kernel refuses it.
    #[error("{name}: {error}{}", .detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        /// The name of the file.
        name: String,
        /// The errno.
        error: Errno,
        /// The message of the kernel on the console.
        detail: Option<String>,
        /// The error of the module's MOD_LOAD handler, if that was the reason.
        mod_load: Option<Errno>,
    },
}

impl KldError {
    /// The errno that kldload(2) sets.
    pub fn errno(&self) -> Errno {
        match self {
            KldError::Image {
                error: LoadError::Unreadable(_),
                ..
            } => Errno::ENOENT,
            KldError::Image { .. } => Errno::ENOEXEC,
            KldError::Refused { error, .. } => *error,
        }
    }
}

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
            load(td, name, bytes).map_err(|error| {
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
        self.call("kldunload", |td| {
            let files = &td.kernel().files;
            let _busy = files.busy.lock();
            let file = files.all().into_iter().find(|file| file.id == id);
            unload(td, &file.ok_or(Errno::ENOENT)?, false)
        })
    }
}

/// kldload(2).
fn load(td: &Thread, name: &str, bytes: &[u8]) -> Result<KldId, KldError> {
    let kern = td.kernel();
    let refused = |error: Errno| KldError::Refused {
        name: name.to_string(),
        error,
        detail: None,
        mod_load: None,
    };
    let _busy = kern.files.busy.lock();
    if kern.files.all().iter().any(|file| file.name == name) {
        return Err(refused(Errno::EEXIST));
    }
    let image = Image::load(bytes, &|symbol| kpi::resolve(kern, symbol)).map_err(|error| {
        KldError::Image {
            name: name.to_string(),
            error,
        }
    })?;
    if let Some(line) = check_metadata(kern, name, &image.metadata()) {
        kern.console.print(&format!("{line}\n"));
        let error = if line.starts_with("module_register") {
            Errno::EEXIST
        } else {
            Errno::ENOEXEC
        };
        return Err(KldError::Refused {
            name: name.to_string(),
            error,
            detail: Some(line),
            mod_load: None,
        });
    }
    let file = kern.files.add(name, image);
    td.own().mod_load.set(None);
    let loaded = file.run_sysinits(td, "sysinit_set", false);
    loaded.map_err(|Stop| refused(Errno::PANICKED))?;
    let declares_modules = file
        .image
        .metadata()
        .iter()
        .any(|m| matches!(m, Metadata::Module { .. }));
    if declares_modules && file.modules.lock().is_empty() {
        let unloaded = unload(td, &file, true);
        let error = match unloaded {
            Err(Errno::PANICKED) => Errno::PANICKED,
            _ => Errno::ENOEXEC,
        };
        let (detail, mod_load) = td.own().mod_load.take().unzip();
        return Err(KldError::Refused {
            name: name.to_string(),
            error,
            detail,
            mod_load,
        });
    }
    Ok(file.id)
}

/// The message of FreeBSD about a file that is not for this kernel, or whose module is already
/// loaded.
fn check_metadata(kern: &Kern, file: &str, metadata: &[Metadata]) -> Option<String> {
    metadata.iter().find_map(|record| match record {
        Metadata::Depend { on, min, max, .. }
            if on == "kernel" && (*min..=*max).contains(&kern.release.osreldate()) =>
        {
            None
        }
        Metadata::Depend { on, .. } => {
            let line = format!("KLD {file}: depends on {on} - not available or version mismatch");
            (on == "kernel" || !kern.has_module(on)).then_some(line)
        }
        Metadata::Module { name } => kern.has_module(name).then(|| {
            format!("module_register: cannot register {name} from {file}; already loaded from another file")
        }),
        _ => None,
    })
}
