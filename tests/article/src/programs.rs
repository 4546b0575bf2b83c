//! A device in the file system as a stage. Commands are real programs, run by a shell.

use crate::command::Command;
use crate::stage::{Output, Stage, Terminal, print};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::{env, thread};

/// See [`Stage`].
pub struct Programs {
    /// The directory that has `dev/echo`.
    dir: PathBuf,
    /// Definitions that a shell needs before the command.
    prelude: &'static str,
}

impl Programs {
    /// On the device in the subdirectory `dev` of `dir`.
    pub fn new(dir: &Path) -> Result<Programs, String> {
        let has_hd = env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .any(|path| path.join("hd").is_file());
        if !has_hd {
            print("hd(1) is not installed (package bsdextrautils); this program replaces it.")?;
        }
        Ok(Programs {
            dir: dir.to_owned(),
            prelude: if has_hd { "" } else { "hd() { article hd; }; " },
        })
    }

    fn spawn(&self, command: Command) -> io::Result<(Child, PipeReader)> {
        let own = env::current_exe()?;
        let own = own.parent().map(Path::to_owned).into_iter();
        let path =
            env::join_paths(own.chain(env::split_paths(&env::var_os("PATH").unwrap_or_default())));
        let (output, end) = io::pipe()?;
        let child = std::process::Command::new("sh")
            .args(["-c", &format!("{}{}", self.prelude, command.line())])
            .current_dir(&self.dir)
            .env("PATH", path.map_err(io::Error::other)?)
            .env("ECHODEV", "dev/echo")
            .stdin(Stdio::null())
            .stdout(end.try_clone()?)
            .stderr(end)
            .process_group(0)
            .spawn()?;
        Ok((child, output))
    }
}

impl Stage for Programs {
    fn start(&self, command: Command) -> Result<Terminal, String> {
        let (child, output) = self
            .spawn(command)
            .map_err(|error| format!("sh: {error}"))?;
        let group = Pid::from_raw(child.id() as i32);
        let interrupt = move || {
            // Programs ignore SIGINT if this was started in the background. SIGKILL fails if all of
            // them have ended.
            let _ = killpg(group, Signal::SIGKILL);
        };
        let (terminal, shown) = Terminal::new(interrupt);
        thread::spawn(move || show(child, output, shown));
        Ok(terminal)
    }
}

/// Shows the output of a command until its end.
fn show(mut child: Child, mut output: PipeReader, mut shown: Output) {
    // Neither fails, because the pipe is read to its end and the child is ours.
    let _ = io::copy(&mut output, &mut shown);
    let _ = child.wait();
}
