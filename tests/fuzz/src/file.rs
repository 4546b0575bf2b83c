//! Untrusted files. Whatever their contents, they are loaded or refused.

use kldhost::image::{Image, LoadError, Metadata};

/// Loads a file as a module, and executes nothing of it. All queries of a loaded module must
/// return.
///
/// # Panics
///
/// If it finds something.
pub fn image(bytes: &[u8]) {
    // Some symbols are near, some far away, some unknown.
    let resolve = |name: &str| match name.len() % 4 {
        0 => None,
        1 => Some(0x1000 + name.len()),
        _ => Some(name.len() << 40),
    };
    match Image::load(bytes, &resolve) {
        Ok(image) => question(&image),
        Err(error) => assert_one_line(&error),
    }
}

fn question(image: &Image) {
    for record in image.metadata() {
        if let Metadata::Module { name }
        | Metadata::Version { name, .. }
        | Metadata::Depend { on: name, .. } = record
        {
            assert!(
                !name.contains('\0'),
                "the name continues after its end: {name:?}"
            );
            let _ = image.symbol(&name);
        }
    }
    for set in ["sysinit_set", "sysuninit_set", "modmetadata_set"] {
        for &entry in image.linker_set(set) {
            assert!(
                image.symbolize(entry).is_none() || image.contains(entry),
                "{entry:#x} of {set}"
            );
        }
    }
    image.retire();
}

/// Reads a file as a module, and prints what is in it.
///
/// # Panics
///
/// If it finds something.
pub fn inspect(bytes: &[u8]) {
    match kldhost::inspect::inspect(bytes) {
        Ok(report) => {
            assert_eq!(report.file_size, bytes.len());
            report.to_string().lines().for_each(assert_harmless);
        }
        Err(error) => assert_one_line(&error),
    }
}

fn assert_one_line(error: &LoadError) {
    let message = error.to_string();
    assert!(!message.is_empty(), "{error:?}");
    assert_harmless(&message);
}

/// A file must not be able to send control characters to a terminal.
fn assert_harmless(line: &str) {
    assert!(!line.contains(char::is_control), "{line:?}");
}
