//! `make mutants`: builds the module with deliberate bugs, one at a time, and reports which check
//! finds each.
//!
//! A mutant is a file in `tests/mutants/`. It is applied to a copy of the sources, from which the
//! module is then built.

mod copy;
mod mutant;
mod suite;

use crate::module::kmod;
use anyhow::{Result, bail, ensure};
use copy::Sources;
use mutant::Mutant;
use std::fs;
use std::path::{Path, PathBuf};
use suite::{Suite, Verdict};

/// The mutants to build, and how long to test them.
#[derive(clap::Args)]
pub struct Options {
    /// The mutants to build; all of them if none is named
    names: Vec<String>,
    /// Run every suite on each mutant, even after one has found it
    #[arg(long)]
    every_suite: bool,
}

/// Builds the mutants, and runs the suites on each. Prints which test has found it, and after how
/// long. Fails if no test finds one of them.
pub fn mutants(root: &Path, options: &Options) -> Result<()> {
    let all = mutant::read_all(root)?;
    let wanted = wanted(&all, &options.names)?;
    let sources = copy::read(root)?;
    mutant::check_all(&all, &sources)?;
    let module = build(root, "", &sources)?;
    let suites = Suite::all(root)?;
    println!("{:<30} {:<12} {:>9}  found by", "mutant", "suite", "after");
    for suite in &suites {
        let verdict = suite.run(&module)?;
        print(&verdict, "(none)", suite);
        ensure!(
            matches!(verdict, Verdict::Passed { .. }),
            "the tests fail without a mutant, so they cannot show anything about mutants"
        );
    }
    let mut survivors = Vec::new();
    for mutant in wanted {
        let name = mutant.name.as_str();
        let mutated = build(root, name, &mutant.apply(&sources)?)?;
        ensure!(
            fs::read(&mutated)? != fs::read(&module)?,
            "mutant {name} is the same as the module"
        );
        let mut found = false;
        for suite in &suites {
            let verdict = suite.run(&mutated)?;
            found |= matches!(verdict, Verdict::Found { .. });
            if options.every_suite || matches!(verdict, Verdict::Found { .. }) {
                print(&verdict, name, suite);
            }
            if found && !options.every_suite {
                break;
            }
        }
        if !found {
            println!("{name:<30} SURVIVES: {}", mutant.why);
            survivors.push(name);
        }
    }
    ensure!(
        survivors.is_empty(),
        "no check finds: {}",
        survivors.join(", ")
    );
    Ok(())
}

/// The mutants with these names, or all if there are no names.
fn wanted<'a>(all: &'a [Mutant], names: &[String]) -> Result<Vec<&'a Mutant>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| all.iter().all(|mutant| mutant.name != **name))
    {
        let known: Vec<_> = all.iter().map(|mutant| mutant.name.as_str()).collect();
        bail!(
            "there is no mutant {unknown}; there are: {}",
            known.join(", ")
        );
    }
    let wanted = |mutant: &&Mutant| names.is_empty() || names.contains(&mutant.name);
    Ok(all.iter().filter(wanted).collect())
}

/// Builds `target/mutants/<name>/echodev.ko` from these sources. All mutants are built in one
/// directory, where cargo compiles only what has changed.
fn build(root: &Path, name: &str, sources: &Sources) -> Result<PathBuf> {
    let dir = kmod::build_dir(root, "mutants")?.join("sources");
    copy::write(&dir, sources)?;
    let module = root.join("target/mutants").join(name).join("echodev.ko");
    kmod::mutant(root, &dir, &module)?;
    Ok(module)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_reported_with_the_known_names() {
        let [a, b] = ["a", "b"].map(|name| {
            let change = "file = ''\nfind = 'a'\nreplace = 'b'";
            Mutant::parse(name, &format!("why = ''\n[[change]]\n{change}\n")).unwrap()
        });
        let all = [a, b];
        let count = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| name.to_string()).collect();
            wanted(&all, &names).map(|wanted| wanted.len())
        };
        assert_eq!(count(&[]).unwrap(), 2);
        assert_eq!(count(&["b"]).unwrap(), 1);
        assert_eq!(
            count(&["b", "c"]).unwrap_err().to_string(),
            "there is no mutant c; there are: a, b"
        );
    }
}
