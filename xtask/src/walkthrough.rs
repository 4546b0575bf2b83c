//! The quotes in `docs/walkthrough.md`, which are extracted from the sources.
//!
//! A line `<!-- FILE: ITEM -->` is a mark. The block below it quotes the item, as [`item::lines`]
//! finds it. Several marks above one block quote one item after another. The line of text above the
//! marks links the file.

mod item;

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// The page.
const PAGE: &str = "docs/walkthrough.md";

/// The begin and the end of a block.
const FENCE: &str = "```";

/// Extracts the quotes anew, and writes them into the page.
pub fn walkthrough(root: &Path) -> Result<()> {
    let renewed = renew(&read(root, PAGE)?, |file| read(root, file)).context(PAGE)?;
    fs::write(root.join(PAGE), &renewed.page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("renewed {} quotes in {PAGE}", renewed.stale.len());
    renewed.stale.iter().for_each(|name| println!("  {name}"));
    Ok(())
}

fn read(root: &Path, file: &str) -> Result<String> {
    fs::read_to_string(root.join(file)).with_context(|| format!("cannot read {file}"))
}

/// A page whose quotes are the same as in the sources.
#[derive(Debug)]
struct Renewed {
    page: String,
    /// The names of the quotes that were different.
    stale: Vec<String>,
}

/// Renews the quotes of a page. `source` returns the text of a file. Fails if a block has no mark,
/// a mark has no block, or a mark names no item.
fn renew(page: &str, source: impl Fn(&str) -> Result<String>) -> Result<Renewed> {
    let (mut renewed, mut stale) = (String::new(), Vec::new());
    let (mut marks, mut above) = (Vec::<Mark<'_>>::new(), "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        renewed += &format!("{line}\n");
        if let Some(mark) = Mark::parse(line) {
            marks.push(mark);
        } else if line.starts_with(FENCE) {
            ensure!(!marks.is_empty(), "the block below \"{above}\" has no mark");
            let mut old = Vec::new();
            loop {
                match lines.next() {
                    Some(FENCE) => break,
                    Some(line) => old.push(line),
                    None => bail!("{}: the block has no end", marks[0].name),
                }
            }
            let mut new = String::new();
            for mark in &marks {
                new += &mark.quote(above, &source)?;
            }
            if !old.into_iter().eq(new.lines()) {
                stale.extend(marks.iter().map(|mark| mark.name.to_string()));
            }
            renewed += &format!("{new}{FENCE}\n");
            marks.clear();
        } else if let Some(mark) = marks.first() {
            bail!("{}: no block is below the mark", mark.name);
        } else if !line.is_empty() {
            above = line;
        }
    }
    if let Some(mark) = marks.first() {
        bail!("{}: no block is below the mark", mark.name);
    }
    let page = renewed;
    Ok(Renewed { page, stale })
}

/// The name of a quote.
struct Mark<'a> {
    /// The file and the item, as the page has them.
    name: &'a str,
    file: &'a str,
    item: &'a str,
}

impl<'a> Mark<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let name = line.strip_prefix("<!-- ")?.strip_suffix(" -->")?;
        let (file, item) = name.split_once(": ")?;
        Some(Self { name, file, item })
    }

    /// The lines to quote. `above` is the line of text above the mark.
    fn quote(&self, above: &str, source: impl Fn(&str) -> Result<String>) -> Result<String> {
        let Self { name, file, item } = self;
        ensure!(
            above.contains(&format!("](../{file})")),
            "{name}: the line above does not link the file"
        );
        source(file)
            .and_then(|source| item::lines(&source, item))
            .with_context(|| name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn one() {\n    1\n}\n\nfn two() {}\n";

    /// A page with these lines between a line that links `a.rs` and a last line.
    fn page(lines: &str) -> String {
        format!("# Title\n\n[a.rs](../a.rs):\n\n{lines}\nText.\n")
    }

    fn renewed(page: &str) -> Result<Renewed> {
        renew(page, |file| {
            ensure!(file == "a.rs", "cannot read {file}");
            Ok(SOURCE.into())
        })
    }

    fn error(page: &str) -> String {
        format!("{:#}", renewed(page).unwrap_err())
    }

    #[test]
    fn the_quotes_in_the_walkthrough_are_as_in_the_sources() {
        let root = crate::root();
        let page = read(root, PAGE).unwrap();
        let stale = renew(&page, |file| read(root, file)).unwrap().stale;
        assert!(
            stale.is_empty(),
            "stale quotes in {PAGE}: {}; run: cargo run -p xtask -- walkthrough",
            stale.join(", ")
        );
    }

    #[test]
    fn a_stale_quote_is_named_and_renewed() {
        let page = |quote: &str| page(&format!("<!-- a.rs: fn one -->\n```rust\n{quote}```\n"));
        let good = page("fn one() {\n    1\n}\n");
        for old in ["", "fn one() {\n    2\n}\n", "fn one() {\n    1\n}\n\n"] {
            let renewed = renewed(&page(old)).unwrap();
            assert_eq!(renewed.page, good);
            assert_eq!(renewed.stale, ["a.rs: fn one"]);
        }
        let same = renewed(&good).unwrap();
        assert_eq!(same.page, good);
        assert!(same.stale.is_empty());
    }

    #[test]
    fn several_marks_quote_one_item_after_another() {
        let marks = "<!-- a.rs: fn two -->\n<!-- a.rs: fn one -->\n";
        let good = page(&format!(
            "{marks}```rust\nfn two() {{}}\nfn one() {{\n    1\n}}\n```\n"
        ));
        assert!(renewed(&good).unwrap().stale.is_empty());
        let stale = renewed(&page(&format!("{marks}```rust\n```\n"))).unwrap();
        assert_eq!(stale.page, good);
        assert_eq!(stale.stale, ["a.rs: fn two", "a.rs: fn one"]);
    }

    #[test]
    fn a_block_without_a_mark_is_an_error() {
        for lines in [
            "```rust\nlet x = 1;\n```\n",
            "<!-- a.rs -->\n```rust\n```\n",
        ] {
            let error = error(&page(lines));
            assert!(error.ends_with(" has no mark"), "{error}");
        }
    }

    #[test]
    fn a_mark_without_a_block_is_an_error() {
        let mark = "<!-- a.rs: fn one -->\n";
        for page in [page(mark), format!("[a.rs](../a.rs)\n{mark}")] {
            assert_eq!(error(&page), "a.rs: fn one: no block is below the mark");
        }
    }

    #[test]
    fn a_block_without_an_end_is_an_error() {
        assert_eq!(
            error(&page("<!-- a.rs: fn one -->\n```rust\n")),
            "a.rs: fn one: the block has no end"
        );
    }

    #[test]
    fn an_unknown_file_or_item_is_an_error_that_names_the_quote() {
        let page = |mark: &str| {
            format!("[a.rs](../a.rs) [b.rs](../b.rs)\n<!-- {mark} -->\n```rust\n```\n")
        };
        assert_eq!(
            error(&page("b.rs: fn one")),
            "b.rs: fn one: cannot read b.rs"
        );
        assert_eq!(
            error(&page("a.rs: fn three")),
            "a.rs: fn three: 0 lines begin with this text, instead of 1"
        );
    }

    #[test]
    fn a_quote_whose_file_is_not_linked_above_is_an_error() {
        let page = "[b.rs](../b.rs):\n<!-- a.rs: fn one -->\n```rust\n```\n";
        assert_eq!(
            error(page),
            "a.rs: fn one: the line above does not link the file"
        );
    }
}
