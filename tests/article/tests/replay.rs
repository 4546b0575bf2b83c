//! The replay, as `make demo` starts it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn module() -> PathBuf {
    let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kmod"),
    };
    let file = dir.join("15/echodev.ko");
    assert!(
        file.is_file(),
        "{} is missing: `make kmod` builds it",
        file.display()
    );
    file
}

fn article(arguments: &[&str], module: &Path, dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_article"))
        .args(arguments)
        .arg(module)
        .arg(dir)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn in_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let output = article(&["run", "--inside"], &module(), &dir.path().join("run"));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = text(&output.stdout);
    for line in [
        "00000000  31 32 33 34                                       |1234|",
        "room to write 60 bytes",
        "1  ^C",
    ] {
        assert!(output.lines().any(|other| other == line), "{output}");
    }
    assert!(output.ends_with("is as in the article.\n"), "{output}");
    assert_eq!(
        dir.path().read_dir().unwrap().count(),
        0,
        "something is left"
    );
}

#[test]
fn a_file_that_is_no_module() {
    let dir = tempfile::tempdir().unwrap();
    let output = article(&["run"], Path::new("/etc/passwd"), &dir.path().join("run"));
    assert!(!output.status.success());
    assert_eq!(text(&output.stderr), "article: passwd: not an ELF file\n");
    assert_eq!(
        dir.path().read_dir().unwrap().count(),
        0,
        "something is left"
    );
}
