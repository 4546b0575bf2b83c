//! Tests of the pages in Markdown: that their links lead to files of the repository, and that they
//! keep their limits.

use crate::root;
use std::fs;
use std::path::{Path, PathBuf};

/// The most lines that the README may have.
const README_LINES: usize = 120;

/// The most columns of a line, except in tables, code and generated pages.
const COLUMNS: usize = 100;

/// The pages with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let docs = fs::read_dir(root().join("docs")).expect("docs/ is readable");
    docs.map(|entry| entry.expect("docs/ is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name)))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a page is readable");
            (path, text)
        })
        .collect()
}

/// The targets of the links and images in `text`: `](target)`, and `[name]: target` on a line.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let inline = text.split("](").skip(1);
    let defined = text.lines().filter(|line| line.starts_with('['));
    inline
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .chain(defined.filter_map(|line| Some(line.split_once("]: ")?.1)))
}

/// The anchors of the headings in `text`, by the rule of the common renderers: lower case, hyphens
/// for spaces, no punctuation.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter_map(|line| {
        line.strip_prefix('#')
            .map(|heading| heading.trim_start_matches('#').trim())
    });
    headings.map(|heading| {
        heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    })
}

/// What is wrong with a relative link of `page`.
fn wrong(page: &Path, text: &str, link: &str) -> Option<String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = page.with_file_name(file);
    if !file.is_empty() && !target.exists() {
        return Some(format!("{}: no file {file}", page.display()));
    }
    let there = if file.is_empty() {
        text.to_owned()
    } else {
        fs::read_to_string(&target).unwrap_or_default()
    };
    let found = anchor.is_empty() || anchors(&there).any(|heading| heading == anchor);
    (!found).then(|| format!("{}: no heading for {link}", page.display()))
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let pages = pages();
    let relative = pages.iter().flat_map(|(page, text)| {
        links(text)
            .filter(|link| !link.contains("://"))
            .map(move |link| (page, text, link))
    });
    let wrong: Vec<_> = relative
        .filter_map(|(page, text, link)| wrong(page, text, link))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_link_is_found() {
    let page = root().join("README.md");
    let text = "# One heading\n\n[a](LICENSE), [b](NONE), [c](#one-heading), [d](#two)\n";
    let wrong: Vec<_> = links(text)
        .filter_map(|link| wrong(&page, text, link))
        .collect();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert!(wrong[0].ends_with("no file NONE"));
    assert!(wrong[1].ends_with("no heading for #two"));
}

#[test]
fn the_readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let lines = readme.lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines");
}

#[test]
fn lines_have_at_most_100_columns() {
    let long: Vec<_> = pages()
        .iter()
        .filter(|(page, _)| !page.ends_with("benchmarks.md"))
        .filter(|(page, _)| !page.ends_with("benchmarks-kernel.md"))
        .flat_map(|(page, text)| {
            let lines = (1..).zip(text.lines());
            lines
                .filter(|(_, line)| line.chars().count() > COLUMNS)
                .filter(|(_, line)| !line.starts_with(['|', ' ', '[']))
                .map(move |(number, _)| format!("{}:{number}", page.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(long.is_empty(), "too long: {}", long.join(", "));
}

/// What the README's table of faults calls tests: a part of the name of a test of kldhost, or a
/// section of the suite with `::`.
fn named_tests(readme: &str) -> Vec<&str> {
    readme
        .lines()
        .skip_while(|line| !line.ends_with("| NAME | CASES |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|row| row.split('|').rev().skip(1).take(2))
        .map(|cell| cell.trim().trim_matches('`'))
        .collect()
}

/// Whether the test exists that the README calls `name`.
fn exists(name: &str) -> bool {
    match name.strip_suffix("::") {
        Some(section) => {
            let cases = format!("tests/suite/src/cases/{section}.rs");
            root().join(cases).is_file()
        }
        None => has_function(&root().join("kldhost/tests"), name),
    }
}

/// Whether a source file under `path` has a function whose name contains `name`.
fn has_function(path: &Path, name: &str) -> bool {
    match fs::read_dir(path) {
        Ok(dir) => dir.flatten().any(|entry| has_function(&entry.path(), name)),
        Err(_) => fs::read_to_string(path).is_ok_and(|text| {
            let mut functions = text.lines().filter(|line| line.starts_with("fn "));
            functions.any(|line| line.contains(name))
        }),
    }
}

#[test]
fn the_readme_names_tests_that_exist() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    let named = named_tests(&readme);
    assert!(named.len() >= 12, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
