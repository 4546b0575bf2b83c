//! A deliberate bug, as a file in `tests/mutants/` describes it.

use super::copy::Sources;
use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the mutants.
const DIR: &str = "tests/mutants";

/// A mutant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The name of its file, without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// The mechanism that it removes, and what goes wrong for users without it.
    pub why: String,
    /// The changes to the sources, made in this order.
    change: Vec<Change>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The path from the root of the project.
    file: PathBuf,
    /// Text that occurs exactly once in the file.
    find: String,
    /// The text to put in its place.
    replace: String,
}

/// Reads the mutants of the project in `root`, in the order of their names.
pub fn read_all(root: &Path) -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for entry in fs::read_dir(root.join(DIR)).with_context(|| format!("cannot read {DIR}"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        mutants.push(Mutant::parse(&name, &text)?);
    }
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(mutants)
}

/// Checks that every mutant can be applied. The error has a line for each that cannot.
pub fn check_all(mutants: &[Mutant], sources: &Sources) -> Result<()> {
    let errors: Vec<_> = mutants
        .iter()
        .filter_map(|mutant| mutant.apply(sources).err())
        .map(|error| error.to_string())
        .collect();
    ensure!(errors.is_empty(), "{}", errors.join("\n"));
    Ok(())
}

impl Mutant {
    /// The mutant `name`, whose file contains `text`.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut mutant: Self =
            toml::from_str(text).with_context(|| format!("cannot use {DIR}/{name}.toml"))?;
        mutant.name = name.into();
        ensure!(
            !mutant.change.is_empty(),
            "mutant {name} has no [[change]], so it changes nothing"
        );
        for change in &mutant.change {
            ensure!(
                change.find != change.replace,
                "mutant {name} replaces a text in {} by the same text",
                change.file.display()
            );
        }
        Ok(mutant)
    }

    /// The sources with the changes of this mutant. Fails if a text to find does not occur exactly
    /// once.
    pub fn apply(&self, sources: &Sources) -> Result<Sources> {
        let mut mutated = sources.clone();
        for Change {
            file,
            find,
            replace,
        } in &self.change
        {
            let Some(text) = mutated.get_mut(file) else {
                bail!(self.stale(&format!("the module is not built from {}", file.display())));
            };
            let found = text.matches(find.as_str()).count();
            if found != 1 {
                bail!(self.stale(&format!(
                    "{} contains the text to find {found} times instead of once",
                    file.display()
                )));
            }
            *text = text.replacen(find.as_str(), replace, 1);
        }
        Ok(mutated)
    }

    fn stale(&self, reason: &str) -> String {
        let name = &self.name;
        format!(
            "mutant {name} is stale: {reason}; correct {DIR}/{name}.toml so that it has the same \
             bug in the sources of today"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::copy;
    use super::*;

    const FILE: &str = "src/device.rs";

    /// A mutant with one change, of this text.
    fn mutant(find: &str, replace: &str) -> Result<Mutant> {
        let change = format!("file = '{FILE}'\nfind = '{find}'\nreplace = '{replace}'\n");
        Mutant::parse("test", &format!("why = 'A test.'\n[[change]]\n{change}"))
    }

    fn sources(text: &str) -> Sources {
        [(FILE.into(), text.into())].into()
    }

    fn error<T: std::fmt::Debug>(result: Result<T>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn every_mutant_applies_to_the_sources() {
        let root = crate::root();
        let mutants = read_all(root).unwrap();
        assert!(!mutants.is_empty());
        if let Err(error) = check_all(&mutants, &copy::read(root).unwrap()) {
            panic!("{error}");
        }
    }

    #[test]
    fn a_text_that_occurs_once_is_replaced() {
        let mutant = mutant("a wake-up", "nothing").unwrap();
        assert_eq!(
            mutant.apply(&sources("here is a wake-up\n")).unwrap(),
            sources("here is nothing\n")
        );
    }

    #[test]
    fn changes_are_made_in_their_order() {
        let change = |find: &str, replace: &str| {
            format!("[[change]]\nfile = '{FILE}'\nfind = '{find}'\nreplace = '{replace}'\n")
        };
        let changes = change("one", "two") + &change("two", "three");
        let mutant = Mutant::parse("test", &format!("why = 'A test.'\n{changes}")).unwrap();
        assert_eq!(mutant.apply(&sources("one")).unwrap(), sources("three"));
    }

    #[test]
    fn a_text_that_does_not_occur_exactly_once_makes_the_mutant_stale() {
        let mutant = mutant("wake", "sleep").unwrap();
        for (text, times) in [("nothing", 0), ("wake, wake", 2)] {
            assert_eq!(
                error(mutant.apply(&sources(text))),
                format!(
                    "mutant test is stale: src/device.rs contains the text to find {times} times \
                     instead of once; correct tests/mutants/test.toml so that it has the same bug \
                     in the sources of today"
                )
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_makes_the_mutant_stale() {
        let error = error(mutant("wake", "sleep").unwrap().apply(&Sources::new()));
        assert!(
            error.starts_with(
                "mutant test is stale: the module is not built from src/device.rs; correct "
            ),
            "{error}"
        );
    }

    #[test]
    fn every_stale_mutant_is_reported() {
        let stale = |name: &str| Mutant {
            name: name.into(),
            ..mutant("wake", "sleep").unwrap()
        };
        let error = error(check_all(&[stale("a"), stale("b")], &Sources::new()));
        assert_eq!(error.lines().count(), 2, "{error}");
    }

    #[test]
    fn a_replacement_that_changes_nothing_is_an_error() {
        assert_eq!(
            error(mutant("wake", "wake")),
            "mutant test replaces a text in src/device.rs by the same text"
        );
    }

    #[test]
    fn unknown_and_missing_keys_are_errors() {
        let change = "[[change]]\nfile = ''\nfind = 'a'\nreplace = 'b'\n";
        let unknown = error(Mutant::parse(
            "test",
            &format!("why = ''\nwhen = ''\n{change}"),
        ));
        assert!(
            unknown.contains("cannot use tests/mutants/test.toml: ") && unknown.contains("`when`"),
            "{unknown}"
        );
        let missing = error(Mutant::parse("test", "why = ''\n[[change]]\nfile = ''\n"));
        assert!(missing.contains("missing field `find`"), "{missing}");
        let empty = error(Mutant::parse("test", "why = ''\nchange = []\n"));
        assert!(empty.contains("no [[change]]"), "{empty}");
    }
}
