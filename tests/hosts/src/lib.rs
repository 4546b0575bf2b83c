//! The module files that tests run on kldhost, and the releases of FreeBSD that they run on.
//!
//! `make kmod` builds the files. `ECHODEV_KMOD_DIR` is another directory that has
//! `14/echodev.ko` and `15/echodev.ko`. `ECHODEV_KMOD` is a single module, which replaces them all.
#![forbid(unsafe_code)]

use kldhost::Release;
use kldhost::image::{Metadata, read_file};
use kldhost::inspect::inspect;
use std::env;
use std::path::{Path, PathBuf};

/// A module file, and a release that loads it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The module.
    pub file: PathBuf,
    /// The release.
    pub release: Release,
}

impl Subject {
    /// The module that is tested on each release, or the single one that `ECHODEV_KMOD` is.
    pub fn all() -> Vec<Subject> {
        match Subject::single() {
            Some(single) => vec![single],
            None => Release::ALL.map(Subject::built).into(),
        }
    }

    /// The module that `ECHODEV_KMOD` is, or else the one for FreeBSD 15, on 15.0.
    pub fn one() -> Subject {
        Subject::single().unwrap_or_else(|| Subject::built(Release::V15_0))
    }

    /// The module that `ECHODEV_KMOD` is, on the oldest release that it can be loaded on.
    pub fn single() -> Option<Subject> {
        let file = PathBuf::from(env::var_os("ECHODEV_KMOD")?);
        let release = oldest(&file).unwrap_or_default();
        Some(Subject { file, release })
    }

    /// The module for the line of a release.
    pub fn built(release: Release) -> Subject {
        let dir = match env::var_os("ECHODEV_KMOD_DIR") {
            Some(dir) => dir.into(),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kmod"),
        };
        let line = if release < Release::V15_0 { "14" } else { "15" };
        let file = dir.join(line).join("echodev.ko");
        Subject { file, release }
    }

    /// Checks that the file is there.
    ///
    /// # Errors
    ///
    /// It is missing.
    pub fn check(&self) -> Result<(), String> {
        if self.file.is_file() {
            return Ok(());
        }
        Err(format!(
            "{} is missing: run `make kmod`",
            self.file.display()
        ))
    }
}

/// The oldest release that a module accepts. A file that cannot be read accepts none. Loading it
/// reports why.
fn oldest(file: &Path) -> Option<Release> {
    let report = inspect(&read_file(file).ok()?).ok()?;
    report.metadata.iter().find_map(|record| match record {
        Metadata::Depend { on, min, max, .. } if on == "kernel" => Release::first_in(*min..=*max),
        _ => None,
    })
}
