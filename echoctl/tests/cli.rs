//! The program with paths and arguments that it cannot use. It prints a clear message, exits with a
//! nonzero status, and does not wait.

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

/// `echoctl` with `args`. It is ended if it hangs.
fn echoctl<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Assert {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command
        .env_remove("ECHODEV")
        .args(args)
        .timeout(Duration::from_secs(30))
        .assert()
}

/// `echoctl -f path` with each command fails with `message`, after the path.
fn refused(path: &Path, message: &str) {
    let expected = format!("echoctl: {}: {message}\n", path.display());
    for command in [
        &["size"][..],
        &["poll", "-W"],
        &["events", "-W"],
        &["clear"],
        &["resize", "99"],
    ] {
        let args = ["-f".as_ref(), path.as_os_str()]
            .into_iter()
            .chain(command.iter().map(OsStr::new));
        echoctl(args).code(1).stdout("").stderr(expected.clone());
    }
}

#[test]
fn a_missing_device() {
    let dir = tempfile::tempdir().unwrap();
    refused(&dir.path().join("echo"), "No such file or directory");
    refused(
        &dir.path().join(OsStr::from_bytes(b"\xff")),
        "No such file or directory",
    );
}

#[test]
fn a_path_below_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    refused(&file.path().join("echo"), "Not a directory");
}

#[test]
fn a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    refused(file.path(), "not an echo device");
    assert_eq!(file.as_file().metadata().unwrap().len(), 0);
}

#[test]
fn another_device() {
    refused(Path::new("/dev/null"), "not an echo device");
}

#[test]
fn a_fifo_without_another_end() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused(&fifo, "not an echo device");
}

#[test]
fn a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    echoctl(["-f", path, "size"])
        .code(1)
        .stderr(format!("echoctl: {path}: not an echo device\n"));
    echoctl(["-f", path, "clear"])
        .code(1)
        .stderr(format!("echoctl: {path}: Is a directory\n"));
}

#[test]
fn a_device_named_by_the_environment() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echoctl"));
    command
        .env("ECHODEV", "/dev/null")
        .arg("size")
        .assert()
        .code(1)
        .stderr("echoctl: /dev/null: not an echo device\n");
}

#[test]
fn sizes_that_are_none() {
    for size in ["-1", "99999999999999999999", "x", "", "4kk", "1.5k"] {
        let assert = echoctl(["-f", "/dev/null", "resize", size])
            .code(2)
            .stdout("");
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(
            error.starts_with(&format!("error: invalid value '{size}' for '<SIZE>': ")),
            "{error}"
        );
    }
}

#[test]
fn help_and_version() {
    let help = echoctl(["--help"]).success();
    let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
    for word in [
        "clear", "events", "poll", "resize", "size", "--file", "ECHODEV",
    ] {
        assert!(help.contains(word), "{help}");
    }
    echoctl(["--version"])
        .success()
        .stdout(format!("echoctl {}\n", env!("CARGO_PKG_VERSION")));
    echoctl([""; 0]).code(2).stdout("");
}
