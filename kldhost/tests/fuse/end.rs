//! How a mount ends.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};

use kldhost::fuse::{End, Mount, Sleeper};
use kldhost::{Config, Kernel};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::run::{Run, assert_unmounted, wait, wait_in_call};
use crate::{Test, echodev, testmod};

pub const TESTS: &[Test] = &[
    ("end::unload_wakes_a_reader", unload_wakes_a_reader),
    ("end::unload_wakes_a_writer", unload_wakes_a_writer),
    (
        "end::a_sleeper_is_woken_at_once",
        a_sleeper_is_woken_at_once,
    ),
    ("end::unload_wakes_pollers", unload_wakes_pollers),
    ("end::every_signal_that_ends", every_signal_that_ends),
    ("end::with_files_open", with_files_open),
    (
        "end::killed_while_a_reader_sleeps",
        killed_while_a_reader_sleeps,
    ),
    (
        "end::unmounted_by_another_program",
        unmounted_by_another_program,
    ),
    ("end::the_hosted_kernel_panics", the_hosted_kernel_panics),
    (
        "end::a_module_that_cannot_be_unloaded_cleanly",
        a_module_that_cannot_be_unloaded_cleanly,
    ),
];

/// A shell command that sleeps in the device.
fn sleeper(run: &Run, script: &str) -> Child {
    let child = run
        .shell_command(script)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_in_call(&child);
    child
}

/// The output of the command, which must fail.
fn complaint(mut child: Child) -> String {
    assert!(!wait(&mut child));
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn unload_wakes_a_reader() {
    let run = Run::echodev();
    let _writer = run.open(false, true, false);
    unload_wakes(run, "exec cat echo");
}

fn unload_wakes_a_writer() {
    unload_wakes(Run::echodev(), "exec head -c 100 /dev/zero > echo");
}

fn unload_wakes(run: Run, script: &str) {
    let child = sleeper(&run, script);
    run.signal(Signal::SIGTERM);
    // It was asleep, or found the device destroyed on its way to sleep.
    let complaint = complaint(child);
    let woken = ["No such device or address", "Input/output error"]
        .iter()
        .any(|error| complaint.contains(error));
    assert!(woken, "{complaint}");
    let (success, stderr, dir) = run.wait();
    assert!(success, "{stderr}");
    assert_unmounted(dir.path());
}

/// As the one before, in this process, where it can be seen that the program is asleep.
fn a_sleeper_is_woken_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let kernel = Kernel::new(Config::default());
    let module = kernel.kldload(&echodev()).unwrap();
    let mount = Mount::new(&kernel, dir.path()).unwrap();
    let writer = File::options()
        .write(true)
        .open(dir.path().join("echo"))
        .unwrap();
    let mut cat = Command::new("cat");
    let cat = cat
        .arg(dir.path().join("echo"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = cat.id() as i32;
    mount.wait_asleep(pid, "echord").unwrap();
    assert_eq!(
        mount.sleepers(),
        [Sleeper {
            pid,
            wmesg: "echord".into()
        }]
    );
    kernel.kldunload(module).unwrap();
    mount.wait_idle();
    assert!(complaint(cat).contains("No such device or address"));
    assert_eq!(mount.sleepers(), []);
    drop(writer);
    mount.unmount();
    assert_eq!(mount.wait_end(), End::Unmounted);
    assert_unmounted(dir.path());
}

fn unload_wakes_pollers() {
    let run = Run::echodev();
    let writer = run.open(false, true, false);
    let reader = run.open(true, false, false);
    let polling = std::thread::spawn(move || {
        let mut fds = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::NONE).unwrap();
        let found = fds[0].revents().unwrap();
        (reader, found)
    });
    run.signal(Signal::SIGTERM);
    let (mut reader, found) = polling.join().unwrap();
    // The request was on its way, or the thread was already asleep, when the mount ended.
    assert!(
        found.intersects(PollFlags::POLLHUP | PollFlags::POLLERR),
        "{found:?}"
    );
    let (success, stderr, dir) = run.wait();
    assert!(success, "{stderr}");
    assert!(reader.read(&mut [0; 1]).is_err());
    drop(writer);
    assert_unmounted(dir.path());
}

fn every_signal_that_ends() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let run = Run::echodev();
        run.signal(signal);
        // As timeout(1) does it.
        run.signal(signal);
        let (success, stderr, dir) = run.wait();
        assert!(success, "{stderr}");
        assert_unmounted(dir.path());
    }
}

fn with_files_open() {
    let run = Run::echodev();
    let mut file: File = run.open(true, true, true);
    run.signal(Signal::SIGINT);
    let (success, stderr, dir) = run.wait();
    assert!(success, "{stderr}");
    assert_unmounted(dir.path());
    assert!(file.read(&mut [0; 1]).is_err());
}

fn killed_while_a_reader_sleeps() {
    let run = Run::echodev();
    let writer = run.open(false, true, false);
    let reader = sleeper(&run, "exec cat echo");
    run.signal(Signal::SIGKILL);
    assert!(complaint(reader).contains("Software caused connection abort"));
    drop(writer);
    let (success, _, dir) = run.wait();
    assert!(!success);
    let dead = std::fs::read_dir(dir.path()).unwrap_err();
    assert_eq!(dead.raw_os_error(), Some(libc::ENOTCONN));

    let next = Run::on(&echodev(), &[], dir);
    assert_eq!(next.shell("echo again > echo; cat echo"), "again\n");
    next.stop();
}

fn unmounted_by_another_program() {
    let run = Run::echodev();
    nix::mount::umount2(run.dir.path(), nix::mount::MntFlags::empty()).unwrap();
    let (success, stderr, dir) = run.wait();
    assert!(success, "{stderr}");
    assert!(
        stderr.contains("was unmounted; unloading echodev.ko"),
        "{stderr}"
    );
    assert_unmounted(dir.path());
}

/// Makes a request of the misuse module.
fn misuse(run: &Run, number: u64) -> io::Result<()> {
    let device = File::options()
        .read(true)
        .write(true)
        .open(run.dir.path().join("misuse"))?;
    Ok(kldhost::fuse::ioctl(
        &device,
        0x2000_4d00 | number,
        &mut [],
    )?)
}

fn the_hosted_kernel_panics() {
    let run = Run::of(&testmod("misuse"), &[]);
    let error = misuse(&run, 26).unwrap_err();
    assert!(error.raw_os_error() == Some(libc::EIO), "{error}");
    let (success, stderr, dir) = run.wait();
    assert!(!success);
    assert!(stderr.contains("misuse: 26 of 42\n"), "{stderr}");
    assert!(
        stderr.ends_with("kldhost: the hosted kernel has panicked\n"),
        "{stderr}"
    );
    assert_unmounted(dir.path());
}

fn a_module_that_cannot_be_unloaded_cleanly() {
    let run = Run::of(&testmod("misuse"), &[]);
    // Armed: at unload it does without destroy_dev(9).
    misuse(&run, 29).unwrap();
    run.signal(Signal::SIGINT);
    let (success, stderr, dir) = run.wait();
    assert!(!success);
    assert!(
        stderr.contains("the hosted kernel has panicked"),
        "{stderr}"
    );
    assert_unmounted(dir.path());
    let gone = File::open(dir.path().join("misuse")).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}
