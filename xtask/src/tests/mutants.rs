//! `make mutants`: the module with deliberate bugs, one at a time, and which check finds each.
//!
//! A mutant is a place in the driver that says `cfg!(mutant = "name")`, or in the shim
//! `MUTANT_NAME`; only this builds with such a name.

mod suite;

use crate::module::kmod;
use crate::module::toolchain::Freebsd;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use suite::{Suite, Verdict};

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// Only these; all, if none is named
    names: Vec<String>,
    /// Go on after the first check that finds a mutant: each suite has to show whether it does
    #[arg(long)]
    every_suite: bool,
}

/// Builds the mutants, and runs the suites on each. Prints what has found it, and after how long;
/// an error if one survives.
pub fn mutants(root: &Path, options: &Options) -> Result<()> {
    let known = named(root)?;
    if let Some(unknown) = options.names.iter().find(|name| !known.contains(*name)) {
        bail!(
            "there is no mutant {unknown}; there are: {}",
            Vec::from_iter(known).join(", ")
        );
    }
    let wanted = |name: &&String| options.names.is_empty() || options.names.contains(name);
    let module = kmod::kmod(root, Freebsd::V15)?;
    let suites = Suite::all(root)?;
    println!("{:<30} {:<12} {:>9}  found by", "mutant", "suite", "after");
    for suite in &suites {
        let verdict = suite.run(&module)?;
        print(&verdict, "(none)", suite);
        ensure!(
            matches!(verdict, Verdict::Passed { .. }),
            "the module itself does not pass: mutants would show nothing"
        );
    }
    let mut survivors = Vec::new();
    for name in known.iter().filter(wanted) {
        let mutant = kmod::mutant(root, name)?;
        ensure!(
            fs::read(&mutant)? != fs::read(&module)?,
            "mutant {name} is the same as the module"
        );
        let mut found = false;
        for suite in &suites {
            let verdict = suite.run(&mutant)?;
            found |= matches!(verdict, Verdict::Found { .. });
            if options.every_suite || matches!(verdict, Verdict::Found { .. }) {
                print(&verdict, name, suite);
            }
            if found && !options.every_suite {
                break;
            }
        }
        if !found {
            println!("{name:<30} SURVIVES");
            survivors.push(name.as_str());
        }
    }
    ensure!(
        survivors.is_empty(),
        "no check finds: {}",
        survivors.join(", ")
    );
    Ok(())
}

fn print(verdict: &Verdict, name: &str, suite: &Suite) {
    let (after, what) = match verdict {
        Verdict::Passed { after } => (after, "-"),
        Verdict::Found { after, by } => (after, by.as_str()),
    };
    println!(
        "{name:<30} {:<12} {:>7.1} s  {what}",
        suite.name,
        after.as_secs_f64()
    );
}

/// The names that the sources have, as they are spelled in Rust.
fn named(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for dir in ["src", "src/kpi", "src/kpi/monitor", "c_shim"] {
        for entry in fs::read_dir(root.join(dir)).with_context(|| format!("cannot read {dir}"))? {
            let path = entry?.path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let quoted = text
                .split("mutant = \"")
                .skip(1)
                .filter_map(|rest| rest.split_once('"'));
            names.extend(quoted.map(|(name, _)| name.to_owned()));
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let defined = text
                .split("MUTANT_")
                .skip(1)
                .filter_map(|rest| rest.split(|c| !is_name(c)).next());
            names.extend(defined.map(|name| name.to_lowercase().replace('_', "-")));
        }
    }
    Ok(names)
}
