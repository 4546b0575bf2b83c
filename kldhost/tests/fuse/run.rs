//! `kldhost run` as a child process.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

/// A running `kldhost run`, with its own mount directory.
pub struct Run {
    child: Kldhost,
    stdout: BufReader<ChildStdout>,
    pub dir: TempDir,
}

/// The process. A test that fails ends it, as one that does not has done before.
struct Kldhost(Child);

impl Drop for Kldhost {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // It fails only for a process that has ended.
            let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM);
            wait(&mut self.0);
        }
    }
}

/// The command `kldhost run FILE --mount DIR`.
pub fn command(file: &Path, dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kldhost"));
    command
        .arg("run")
        .arg(file)
        .arg("--mount")
        .arg(dir)
        .stdin(Stdio::null());
    command
}

impl Run {
    /// Runs the driver's module.
    pub fn echodev() -> Run {
        Run::of(&crate::echodev(), &[])
    }

    /// Runs a module, with more arguments.
    pub fn of(file: &Path, more: &[&str]) -> Run {
        Run::on(file, more, tempfile::tempdir().expect("a directory"))
    }

    /// Runs a module on a directory.
    pub fn on(file: &Path, more: &[&str], dir: TempDir) -> Run {
        let mut command = command(file, dir.path());
        let child = command
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("kldhost is started");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.contains(" is loaded: ") {
            line.clear();
            let read = stdout.read_line(&mut line).expect("its output");
            if read == 0 {
                let output = child.wait_with_output().expect("its end");
                panic!(
                    "kldhost has ended: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
        Run {
            child: Kldhost(child),
            stdout,
            dir,
        }
    }

    /// The device.
    pub fn echo(&self) -> PathBuf {
        self.dir.path().join("echo")
    }

    /// Opens the device.
    pub fn open(&self, read: bool, write: bool, nonblock: bool) -> File {
        let flags = if nonblock { nix::libc::O_NONBLOCK } else { 0 };
        let opened = OpenOptions::new()
            .read(read)
            .write(write)
            .custom_flags(flags)
            .open(self.echo());
        opened.expect("the device can be opened")
    }

    /// Runs a shell command in the mounted directory, and returns its stdout and stderr.
    pub fn shell(&self, script: &str) -> String {
        let output = self.shell_command(script).output().expect("sh");
        text(&output)
    }

    /// A shell command that is yet to be run.
    pub fn shell_command(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(script)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Sends a signal to kldhost.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.0.id() as i32), signal).expect("kill");
    }

    /// Waits for its end; whether it succeeded, its error output, and the directory.
    pub fn wait(mut self) -> (bool, String, TempDir) {
        let status = wait(&mut self.child.0);
        let mut stderr = String::new();
        self.child
            .0
            .stderr
            .take()
            .expect("a pipe")
            .read_to_string(&mut stderr)
            .expect("its messages");
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("its output");
        (status, stderr, self.dir)
    }

    /// Ends it as Ctrl-C does: it must unload the module, and leave nothing.
    pub fn stop(self) {
        self.signal(Signal::SIGINT);
        let (success, stderr, dir) = self.wait();
        assert!(success, "{stderr}");
        assert_unmounted(dir.path());
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

/// Whether the child ends with success; it must end.
pub fn wait(child: &mut Child) -> bool {
    let deadline = Instant::now() + BOUND;
    loop {
        match child.try_wait().expect("wait") {
            Some(status) => return status.success(),
            None if Instant::now() > deadline => {
                // Both fail only if it has already ended.
                let _ = child.kill();
                let _ = child.wait();
                panic!("it does not end");
            }
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Waits until the process is in a read(2) or write(2) that the device has not answered. Linux has
/// no event for it.
pub fn wait_in_call(child: &Child) {
    let deadline = Instant::now() + BOUND;
    let read =
        |name| std::fs::read_to_string(format!("/proc/{}/{name}", child.id())).unwrap_or_default();
    let is_in_call = || {
        let syscall = read("syscall");
        (syscall.starts_with("0 ") || syscall.starts_with("1 "))
            && read("wchan").contains("request_wait_answer")
    };
    while !is_in_call() {
        assert!(
            Instant::now() < deadline,
            "process {} is in no call",
            child.id()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Nothing is mounted on the directory, and it is accessible.
pub fn assert_unmounted(dir: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc");
    assert!(
        !mounts.contains(dir.to_str().expect("a plain name")),
        "still mounted"
    );
    assert_eq!(std::fs::read_dir(dir).expect("the directory").count(), 0);
}
