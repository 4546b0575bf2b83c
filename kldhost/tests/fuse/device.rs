//! The device on the mount: system calls of Linux that the conformance suite does not make.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Test;
use crate::run::{Run, wait, wait_in_call};

pub const TESTS: &[Test] = &[
    (
        "device::a_sleeper_ends_with_a_signal",
        a_sleeper_ends_with_a_signal,
    ),
    (
        "device::a_blocked_writer_does_not_block_others",
        a_blocked_writer_does_not_block_others,
    ),
    (
        "device::one_description_reads_while_it_writes",
        one_description_reads_while_it_writes,
    ),
    (
        "device::close_is_over_when_it_returns",
        close_is_over_when_it_returns,
    ),
    (
        "device::the_last_of_a_description_closes",
        the_last_of_a_description_closes,
    ),
    ("device::nonblocking_by_fcntl", nonblocking_by_fcntl),
    (
        "device::the_size_is_what_can_be_read",
        the_size_is_what_can_be_read,
    ),
    ("device::requests", requests),
    ("device::only_its_owner_opens_it", only_its_owner_opens_it),
    (
        "device::names_come_from_the_kernel",
        names_come_from_the_kernel,
    ),
    ("device::redirections", redirections),
];

fn a_sleeper_ends_with_a_signal() {
    let run = Run::echodev();
    let _writer = run.open(false, true, false);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        // A shell that starts the test in the background may have set SIGINT to be ignored.
        let mut cat = run
            .shell_command("exec env --default-signal cat echo")
            .spawn()
            .unwrap();
        wait_in_call(&cat);
        kill(Pid::from_raw(cat.id() as i32), signal).unwrap();
        wait(&mut cat);
        assert_eq!(cat.wait().unwrap().signal(), Some(signal as i32));
    }
    run.stop();
}

fn a_blocked_writer_does_not_block_others() {
    let run = Run::echodev();
    let mut writer = run
        .shell_command("exec head -c 65 /dev/zero > echo")
        .spawn()
        .unwrap();
    wait_in_call(&writer);
    let mut file = run.open(true, true, true);
    assert_eq!(file.write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(file.read(&mut [0; 100]).unwrap(), 64);
    assert!(wait(&mut writer));
    assert_eq!(file.read(&mut [0; 100]).unwrap(), 1);
    drop(file);
    run.stop();
}

fn one_description_reads_while_it_writes() {
    let run = Run::echodev();
    let mut file = run.open(true, true, false);
    let mut writing = file.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write(&[7; 1000]).unwrap());
    let mut got = 0;
    while got < 1000 {
        got += file.read(&mut [0; 100]).unwrap();
    }
    assert_eq!(writer.join().unwrap(), 1000);
    drop(file);
    run.stop();
}

/// The writer is uncounted before close(2) returns, so a later call does not find the writer.
fn close_is_over_when_it_returns() {
    let run = Run::echodev();
    let mut reader = run.open(true, false, true);
    for _ in 0..1000 {
        drop(run.open(false, true, false));
        assert_eq!(
            reader
                .read(&mut [0; 1])
                .expect("end of file, as there is no writer"),
            0
        );
    }
    drop(reader);
    run.stop();
}

fn the_last_of_a_description_closes() {
    let run = Run::echodev();
    let mut reader = run.open(true, false, true);
    let writer = run.open(false, true, false);
    let copy = writer.try_clone().unwrap();
    let mut heir = run
        .shell_command("exec sleep 1000")
        .stdout(writer)
        .spawn()
        .unwrap();
    drop(copy);
    assert_eq!(
        reader.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    heir.kill().unwrap();
    heir.wait().unwrap();
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
    drop(reader);
    run.stop();
}

fn nonblocking_by_fcntl() {
    let run = Run::echodev();
    let mut file = run.open(true, true, false);
    let copy = file.try_clone().unwrap();
    fcntl(&copy, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    assert_eq!(
        file.read(&mut [0; 1]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    assert_eq!(file.write(&[1; 100]).unwrap(), 64);
    assert_eq!(
        file.write(&[1; 100]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    fcntl(&copy, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    assert_eq!(file.read(&mut [0; 100]).unwrap(), 64);
    let mut other = run.open(false, true, false);
    let reading = std::thread::spawn(move || file.read(&mut [0; 100]).unwrap());
    other.write_all(b"data").unwrap();
    assert_eq!(reading.join().unwrap(), 4);
    drop((copy, other));
    run.stop();
}

fn the_size_is_what_can_be_read() {
    let run = Run::echodev();
    let mut file = run.open(true, true, false);
    for held in [0, 5, 10] {
        assert_eq!(file.metadata().unwrap().len(), held);
        file.write_all(b"12345").unwrap();
    }
    drop(file);
    run.stop();
}

fn requests() {
    const GBUFSIZE: u64 = 0x4008_4564;
    const SBUFSIZE: u64 = 0x8008_4565;
    const CLEAR: u64 = 0x2000_4566;
    const FIONREAD: u64 = 0x4004_667f;
    const FIONWRITE: u64 = 0x4004_6677;
    let run = Run::echodev();
    let mut file = run.open(true, true, false);
    let request = |code, data: &mut [u8]| kldhost::fuse::ioctl(&file, code, data);
    let mut size = [0; 8];
    request(GBUFSIZE, &mut size).unwrap();
    assert_eq!(u64::from_ne_bytes(size), 64);
    request(SBUFSIZE, &mut 100_u64.to_ne_bytes()).unwrap();
    request(GBUFSIZE, &mut size).unwrap();
    assert_eq!(u64::from_ne_bytes(size), 100);
    (&file).write_all(b"hello").unwrap();
    let mut count = [0; 4];
    request(FIONREAD, &mut count).unwrap();
    assert_eq!(i32::from_ne_bytes(count), 5);
    request(FIONWRITE, &mut count).unwrap();
    assert_eq!(i32::from_ne_bytes(count), 95);
    assert_eq!(
        request(SBUFSIZE, &mut 4_u64.to_ne_bytes()),
        Err(nix::errno::Errno::EBUSY)
    );
    assert_eq!(
        request(SBUFSIZE, &mut (17_u64 << 20).to_ne_bytes()),
        Err(nix::errno::Errno::EINVAL)
    );
    assert_eq!(
        request(SBUFSIZE, &mut [0; 4]),
        Err(nix::errno::Errno::EINVAL),
        "too short"
    );
    request(CLEAR, &mut []).unwrap();
    request(FIONREAD, &mut count).unwrap();
    assert_eq!(i32::from_ne_bytes(count), 0);
    assert_eq!(
        request(0x2000_4567, &mut []),
        Err(nix::errno::Errno::ENOTTY)
    );
    let reader = run.open(true, false, false);
    assert_eq!(
        kldhost::fuse::ioctl(&reader, CLEAR, &mut []),
        Err(nix::errno::Errno::EPERM)
    );
    file.flush().unwrap();
    drop((file, reader));
    run.stop();
}

fn only_its_owner_opens_it() {
    let run = Run::echodev();
    let metadata = fs::metadata(run.echo()).unwrap();
    assert_eq!(
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777),
        (0, 0, 0o600)
    );
    fs::set_permissions(
        run.dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap_err();
    let output = run
        .shell_command("exec cat echo")
        .uid(65534)
        .gid(65534)
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Permission denied"),
        "{output:?}"
    );
    run.stop();
}

fn names_come_from_the_kernel() {
    let run = Run::echodev();
    let missing = run.dir.path().join("ecko");
    assert_eq!(
        File::open(&missing).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(
        File::create(&missing).unwrap_err().raw_os_error(),
        Some(libc::EOPNOTSUPP)
    );
    assert_eq!(
        fs::remove_file(run.echo()).unwrap_err().raw_os_error(),
        Some(libc::EOPNOTSUPP)
    );
    assert_eq!(
        fs::create_dir(&missing).unwrap_err().raw_os_error(),
        Some(libc::EOPNOTSUPP)
    );
    assert_eq!(run.shell("ls -a"), ".\n..\necho\n");
    run.stop();
}

fn redirections() {
    let run = Run::echodev();
    assert_eq!(
        run.shell("echo one > echo; echo two >> echo; printf 3 1<> echo; cat echo"),
        "one\ntwo\n3"
    );
    assert_eq!(
        run.shell("touch echo; cat echo; stat -c %s echo; truncate -s 9 echo; cat < echo"),
        "0\n"
    );
    run.stop();
}
