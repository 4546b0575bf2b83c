//! The modules that the guest program loads, under the names that it expects.

use crate::module::kmod;
use crate::module::toolchain::CTools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// C modules for the suite.
pub struct CModules {
    /// A plain driver that makes `/dev/echo`.
    pub squatter: PathBuf,
    /// The same driver under another name.
    neighbour: PathBuf,
    /// Memory whose page faults do not end.
    hungmap: PathBuf,
}

impl CModules {
    /// Builds them.
    pub fn build(root: &Path, c: &CTools) -> Result<Self> {
        let plain = root.join("kldhost/testmods/plain.c");
        let build = |dir: &str, source: &Path, flags: &[&str]| {
            let dir = root.join("target/vm").join(dir);
            fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
            kmod::c_module(root, c, source, &dir, flags)
        };
        Ok(Self {
            squatter: build("squatter", &plain, &["-DPLAIN_NAME=\"echo\""])?,
            neighbour: build("neighbour", &plain, &[])?,
            hungmap: build("hungmap", &root.join("tests/vm/modules/hungmap.c"), &[])?,
        })
    }
}

/// The files for the suite, in the order of their names. They are the module under test, a copy of
/// it, and the C modules if they could be built.
pub fn for_suite(tested: &Path, c: Option<&CModules>) -> Vec<(&'static str, PathBuf)> {
    let mut files = vec![
        ("copy.ko", tested.to_path_buf()),
        ("echodev.ko", tested.to_path_buf()),
    ];
    if let Some(c) = c {
        files.push(("hungmap.ko", c.hungmap.clone()));
        files.push(("other.ko", c.squatter.clone()));
        files.push(("plain.ko", c.neighbour.clone()));
    }
    files
}

/// The files for the benchmarks, the module under test and the C driver for comparison.
pub fn for_bench(tested: &Path, baseline: &Path) -> Vec<(&'static str, PathBuf)> {
    vec![
        ("echodev.ko", tested.to_path_buf()),
        ("other.ko", baseline.to_path_buf()),
    ]
}
