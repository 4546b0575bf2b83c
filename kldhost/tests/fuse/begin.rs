//! How a mount begins, and why it does not.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::run::{Run, assert_unmounted, command};
use crate::{Test, echodev, testmod};

pub const TESTS: &[Test] = &[
    ("begin::no_mount_point", no_mount_point),
    (
        "begin::a_mount_point_that_is_no_directory",
        a_mount_point_that_is_no_directory,
    ),
    (
        "begin::a_mount_point_that_is_not_empty",
        a_mount_point_that_is_not_empty,
    ),
    (
        "begin::a_second_run_on_the_same_mount",
        a_second_run_on_the_same_mount,
    ),
    (
        "begin::a_second_run_while_the_first_is_stopped",
        a_second_run_while_the_first_is_stopped,
    ),
    ("begin::no_module", no_module),
    ("begin::no_root", no_root),
    ("begin::wrong_arguments", wrong_arguments),
    ("begin::tunables", tunables),
    ("begin::another_module", another_module),
    (
        "begin::a_module_for_another_release",
        a_module_for_another_release,
    ),
    ("begin::what_the_module_prints", what_the_module_prints),
];

/// The command fails within a second, with one line that contains this.
fn fails(command: &mut Command, says: &str) {
    let begin = Instant::now();
    let output = command.output().expect("it can be run");
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "it took {:?}",
        begin.elapsed()
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

fn no_mount_point() {
    fails(
        &mut command(&echodev(), Path::new("/nonexistent/dir")),
        "kldhost: mount point /nonexistent/dir: No such file or directory",
    );
}

fn a_mount_point_that_is_no_directory() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fails(&mut command(&echodev(), file.path()), "Not a directory");
}

fn a_mount_point_that_is_not_empty() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    fails(&mut command(&echodev(), dir.path()), "is not empty");
}

fn a_second_run_on_the_same_mount() {
    let run = Run::echodev();
    fails(
        &mut command(&echodev(), run.dir.path()),
        "is in use by another kldhost",
    );
    assert_eq!(run.shell("echo first > echo; cat echo"), "first\n");
    run.stop();
}

fn a_second_run_while_the_first_is_stopped() {
    let run = Run::echodev();
    run.signal(Signal::SIGSTOP);
    fails(
        &mut command(&echodev(), run.dir.path()),
        "is in use by another kldhost",
    );
    run.signal(Signal::SIGCONT);
    run.stop();
}

fn no_module() {
    let dir = tempfile::tempdir().unwrap();
    fails(
        &mut command(Path::new("/nonexistent.ko"), dir.path()),
        "/nonexistent.ko: No such file or directory",
    );
    fails(
        &mut command(Path::new("/etc/passwd"), dir.path()),
        "passwd: ",
    );
    assert_unmounted(dir.path());
}

/// Another user may not mount. The file system is then not touched.
fn no_root() {
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    // Neither the program nor the module need be where another user can read them.
    let (program, module) = (dir.path().join("kldhost"), dir.path().join("echodev.ko"));
    let mount = dir.path().join("mount");
    fs::copy(env!("CARGO_BIN_EXE_kldhost"), &program).unwrap();
    fs::copy(echodev(), &module).unwrap();
    fs::create_dir(&mount).unwrap();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg(module)
        .arg("--mount")
        .arg(&mount)
        .uid(65534)
        .gid(65534);
    fails(&mut command, "(this needs root, with CAP_SYS_ADMIN)");
    assert_unmounted(&mount);
}

fn wrong_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let output = command(&echodev(), dir.path())
        .arg("--tunable")
        .arg("novalue")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is not NAME=VALUE"));
}

fn tunables() {
    let run = Run::of(&echodev(), &["--tunable", "hw.echodev.bufsize=7"]);
    assert_eq!(
        run.shell("printf 1234567 > echo; dd if=echo bs=4 status=none"),
        "1234567"
    );
    let mut file = run.open(false, true, true);
    assert_eq!(std::io::Write::write(&mut file, b"0123456789").unwrap(), 7);
    drop(file);
    run.stop();
}

fn another_module() {
    let run = Run::of(&testmod("plain"), &[]);
    assert_eq!(
        run.shell("ls; echo hello > plain; cat plain"),
        "plain\nhello\n"
    );
    run.stop();
}

fn a_module_for_another_release() {
    let module = echodev()
        .parent()
        .unwrap()
        .with_file_name("14")
        .join("echodev.ko");
    let run = Run::of(&module, &[]);
    assert_eq!(run.shell("echo hello > echo; cat echo"), "hello\n");
    run.stop();

    let dir = tempfile::tempdir().unwrap();
    let output = command(&module, dir.path())
        .args(["--release", "15.0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("depends on kernel - not available or version mismatch"),
        "{stderr}"
    );
    assert_unmounted(dir.path());
}

fn what_the_module_prints() {
    let run = Run::of(&echodev(), &["--tunable", "hw.echodev.bufsize=99999999"]);
    run.signal(Signal::SIGINT);
    let (success, said, dir) = run.wait();
    assert!(success);
    assert_eq!(
        said,
        "echodev: hw.echodev.bufsize=99999999 is too large; using 16777216\n"
    );
    assert_unmounted(dir.path());
}
