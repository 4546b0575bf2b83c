//! A copy of the sources that the module is built from.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What is copied, as far as it exists.
const COPIED: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
    "src",
    "c_shim",
    "freebsd-kernel-sys",
    "freebsd-kernel",
];

/// The text of each file, by its path from the root of the project.
pub type Sources = BTreeMap<PathBuf, String>;

/// Reads the sources of the project in `root`.
pub fn read(root: &Path) -> Result<Sources> {
    let mut sources = Sources::new();
    for path in files(root, &COPIED.map(|name| root.join(name)))? {
        let text = fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        sources.insert(path, text);
    }
    let has_member = |member: &str| sources.contains_key(&Path::new(member).join("Cargo.toml"));
    let manifest = Path::new("Cargo.toml");
    let text = sources.get(manifest).context("there is no Cargo.toml")?;
    let workspace = restrict_members(text, has_member).context("cannot use Cargo.toml")?;
    sources.insert(manifest.into(), workspace);
    Ok(sources)
}

/// Makes the files in `dir` the same as `sources`. Files that are the same already stay untouched,
/// so that cargo does not compile them again.
pub fn write(dir: &Path, sources: &Sources) -> Result<()> {
    for path in files(dir, &[dir.to_owned()])? {
        if !sources.contains_key(&path) {
            fs::remove_file(dir.join(path))?;
        }
    }
    for (path, text) in sources {
        let path = dir.join(path);
        if fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The files among `paths` and below the directories among them, as paths from `root`.
fn files(root: &Path, paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut left = paths.to_vec();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        } else if path.exists() {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(files)
}

/// The manifest of a workspace, less the members that are not in the copy.
fn restrict_members(manifest: &str, has_member: impl Fn(&str) -> bool) -> Result<String> {
    let mut manifest: toml::Table = manifest.parse()?;
    let members = manifest
        .get_mut("workspace")
        .and_then(|workspace| workspace.get_mut("members")?.as_array_mut())
        .context("the workspace has no members")?;
    members.retain(|member| member.as_str().is_some_and(&has_member));
    Ok(toml::to_string(&manifest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copied_members_stay_in_the_workspace() {
        let manifest = "[workspace]\nmembers = [\"tests\", \"freebsd-kernel-sys\"]\n";
        assert_eq!(
            restrict_members(manifest, |member| member == "freebsd-kernel-sys").unwrap(),
            "[workspace]\nmembers = [\"freebsd-kernel-sys\"]\n"
        );
    }

    #[test]
    fn writing_removes_files_of_other_sources() {
        let dir = std::env::temp_dir().join(format!("xtask-copy-{}", std::process::id()));
        let sources = |names: &[&str]| -> Sources {
            let file = |name: &&str| (PathBuf::from(name), format!("the text of {name}"));
            names.iter().map(file).collect()
        };
        write(&dir, &sources(&["src/lib.rs", "src/old.rs"])).unwrap();
        write(&dir, &sources(&["src/lib.rs", "build.rs"])).unwrap();
        let mut left = files(&dir, std::slice::from_ref(&dir)).unwrap();
        let text = fs::read_to_string(dir.join("src/lib.rs")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        left.sort();
        assert_eq!(left, ["build.rs", "src/lib.rs"].map(PathBuf::from));
        assert_eq!(text, "the text of src/lib.rs");
    }
}
