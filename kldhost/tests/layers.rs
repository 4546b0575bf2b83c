//! Each layer of the library uses only the layers before it.
//!
//! The sources are read line by line, without their comments. Three things count as a use. The
//! first is a path that begins with `crate::` or climbs to the crate root by `super::`. The second
//! is a path to the crate root itself, because `lib.rs` exports names of all layers. The third is
//! an inherent `impl` for a type of a lower layer: its methods could be called from below, and
//! such a call names no layer.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// The layers, the lowest first.
const LAYERS: [&str; 10] = [
    "abi", "image", "machine", "kern", "dev", "kpi", "syscall", "front", "host", "main",
];

/// Files that are in no directory of their layer. The crate root belongs to none.
const PLACES: [(&str, Option<&str>); 2] = [("lib.rs", None), ("run.rs", Some("main"))];

/// The layer that may give methods to a type of another layer, and the type. Nothing below the
/// public interface calls the methods that are only there.
const EXTENDS: (&str, &str) = ("host", "Kernel");

/// A source file.
struct Source {
    /// Its path below `src`, with `/` between names.
    path: String,
    text: String,
}

/// A rule that a line breaks.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    line: usize,
    layer: &'static str,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    /// It uses this layer, which is above its own.
    Above(&'static str),
    /// It names the crate root, which exports names of all layers.
    Root,
    /// It gives methods to a type of this lower layer.
    Methods(String, &'static str),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation {
            path, line, layer, ..
        } = self;
        write!(f, "kldhost/src/{path}:{line}: layer `{layer}` ")?;
        match &self.problem {
            Problem::Above(other) => write!(f, "uses layer `{other}`, which is above it"),
            Problem::Root => write!(f, "uses the crate root, which has names of all layers"),
            Problem::Methods(name, other) => write!(
                f,
                "gives methods to `{name}` of layer `{other}`, which could call them from below"
            ),
        }
    }
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|&name| name == layer)
}

/// The layer of a file; `None` for the crate root.
fn layer_of(path: &str) -> Option<&'static str> {
    if let Some((_, layer)) = PLACES.iter().find(|(place, _)| *place == path) {
        return *layer;
    }
    let first = path.split('/').next().unwrap_or(path);
    let layer = rank(first.strip_suffix(".rs").unwrap_or(first));
    Some(LAYERS[layer.unwrap_or_else(|| panic!("kldhost/src/{path} is in no layer"))])
}

/// The lines of code, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.filter_map(|(number, line)| {
        let line = line.split("// ").next().unwrap_or(line);
        (!line.trim_start().starts_with("//")).then_some((number + 1, line))
    })
}

/// The name at the start of `text`.
fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The text after each occurrence of `prefix` that is not the end of a longer name.
fn after<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix)
        .filter(|(at, _)| {
            !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        })
        .map(move |(at, _)| &line[at + prefix.len()..])
}

/// The names that a line takes from the crate root.
fn names_from_root<'a>(path: &str, line: &'a str) -> Vec<&'a str> {
    let mut names: Vec<&str> = after(line, "crate::").map(name).collect();
    // No file needs to climb farther than to its own layer.
    names.extend(after(line, "super::super::").map(|_| ""));
    if !path.contains('/') {
        names.extend(
            after(line, "super::")
                .map(name)
                .filter(|name| rank(name).is_some()),
        );
    }
    names
}

/// The type that an inherent `impl` on this line is for.
fn inherent_impl(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("impl")?;
    let rest = match rest.strip_prefix('<') {
        Some(generic) => generic.split_once('>')?.1,
        None => rest,
    };
    let of = name(rest.strip_prefix(' ')?);
    (!line.contains(" for ") && !of.is_empty()).then_some(of)
}

/// The type that a line defines.
fn definition(line: &str) -> Option<&str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words
        .iter()
        .position(|word| matches!(*word, "struct" | "enum" | "union"))?;
    words.get(at + 1).map(|word| name(word))
}

/// Everything in these sources that breaks a rule.
fn violations(sources: &[Source]) -> Vec<Violation> {
    let mut layers_of: HashMap<&str, Vec<&str>> = HashMap::new();
    for source in sources {
        for defined in code(&source.text).filter_map(|(_, line)| definition(line)) {
            let layer = layer_of(&source.path).unwrap_or_default();
            layers_of.entry(defined).or_default().push(layer);
        }
    }
    let mut found = Vec::new();
    for Source { path, text } in sources {
        let Some(layer) = layer_of(path) else {
            continue;
        };
        let mut report = |line, problem| {
            found.push(Violation {
                path: path.clone(),
                line,
                layer,
                problem,
            });
        };
        for (number, line) in code(text) {
            for name in names_from_root(path, line) {
                match rank(name) {
                    None => report(number, Problem::Root),
                    Some(used) if Some(used) > rank(layer) => {
                        report(number, Problem::Above(LAYERS[used]));
                    }
                    Some(_) => {}
                }
            }
            let Some(of) = inherent_impl(line).filter(|of| (layer, *of) != EXTENDS) else {
                continue;
            };
            let defined = layers_of.get(of).map_or(&[][..], Vec::as_slice);
            if let Some(lowest) = defined.iter().filter_map(|layer| rank(layer)).min()
                && !defined.contains(&layer)
            {
                report(number, Problem::Methods(of.to_owned(), LAYERS[lowest]));
            }
        }
    }
    found
}

/// Adds the Rust files in `dir`.
fn read(dir: &Path, src: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("the directory can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            read(&path, src, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(src).expect("the file is below src");
            sources.push(Source {
                path: below.display().to_string(),
                text: fs::read_to_string(&path).expect("the file is UTF-8"),
            });
        }
    }
}

#[test]
fn each_layer_uses_only_layers_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    read(&src, &src, &mut sources);
    for layer in LAYERS {
        let has_file = sources.iter().any(|s| layer_of(&s.path) == Some(layer));
        assert!(has_file, "layer `{layer}` has no file");
    }
    let found: Vec<String> = violations(&sources)
        .iter()
        .map(Violation::to_string)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The violations in a made-up file.
fn reported(path: &str, text: &str) -> Vec<String> {
    let others = [
        ("kern/thread.rs", "pub struct Thread {}\n"),
        ("syscall/kernel.rs", "pub struct Kernel;\n"),
    ];
    let sources: Vec<Source> = others
        .into_iter()
        .chain([(path, text)])
        .map(|(path, text)| Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .collect();
    violations(&sources)
        .iter()
        .map(Violation::to_string)
        .collect()
}

#[test]
fn a_use_of_a_higher_layer_is_reported() {
    let text = "use std::fmt;\n\nuse crate::abi::errno::Errno;\nuse crate::dev::file::File;\n";
    assert_eq!(
        reported("kern/sx.rs", text),
        ["kldhost/src/kern/sx.rs:4: layer `kern` uses layer `dev`, which is above it"]
    );
    assert_eq!(
        reported(
            "image.rs",
            "fn f() {\n    let a = crate::machine::fault::install();\n}\n"
        ),
        ["kldhost/src/image.rs:2: layer `image` uses layer `machine`, which is above it"]
    );
    assert_eq!(
        reported("kern.rs", "use super::dev::Dev;\n"),
        ["kldhost/src/kern.rs:1: layer `kern` uses layer `dev`, which is above it"]
    );
}

#[test]
fn the_crate_root_is_not_a_way_around() {
    let root = "layer `kern` uses the crate root, which has names of all layers";
    for text in [
        "use crate::Process;\n",
        "use crate::{dev, kern};\n",
        "use super::super::dev::Dev;\n",
    ] {
        assert_eq!(
            reported("kern/sx.rs", text),
            [format!("kldhost/src/kern/sx.rs:1: {root}")],
            "{text}"
        );
    }
}

#[test]
fn methods_for_a_type_of_a_lower_layer_are_reported() {
    assert_eq!(
        reported("dev/file.rs", "impl Thread {\n    fn f() {}\n}\n"),
        [
            "kldhost/src/dev/file.rs:1: layer `dev` gives methods to `Thread` of layer `kern`, \
             which could call them from below"
        ]
    );
    assert_eq!(reported("kern/sx.rs", "impl Thread {}\n"), [""; 0]);
    assert_eq!(
        reported("dev/file.rs", "impl Drop for Thread {}\n"),
        [""; 0]
    );
    assert_eq!(reported("host.rs", "impl Kernel {}\n"), [""; 0]);
}

#[test]
fn uses_of_lower_layers_and_comments_are_fine() {
    let text = "//! See [`crate::Kernel`].\nuse super::Thread;\nuse crate::kern::sx;\n\
                /// As [`f`](crate::host::f).\nuse crate::machine::sync; // not crate::front\n";
    assert_eq!(reported("dev/file.rs", text), [""; 0]);
}
