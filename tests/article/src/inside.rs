//! This process as a stage, if nothing can be mounted. `echoctl` is the real one, as a library over
//! kldhost's system calls. The other programs are a few lines each.

use crate::command::{Command, SEQ};
use crate::hexdump::dump;
use crate::stage::{Output, Stage, Terminal};
use crate::system::Hosted;
use clap::Parser;
use kldhost::{Errno, Kernel, O_RDONLY, O_WRONLY, Process, Signal};
use std::io::Write;
use std::path::Path;
use std::thread;

const DEVICE: &str = "/dev/echo";

/// See [`Stage`].
pub struct Inside(pub Kernel);

impl Stage for Inside {
    fn start(&self, command: Command) -> Result<Terminal, String> {
        let process = self.0.process();
        let interrupted = process.clone();
        let (terminal, mut output) = Terminal::new(move || interrupted.kill(Signal::INT));
        thread::spawn(move || {
            if let Err(error) = perform(&process, command, &mut output) {
                // It fails only if the terminal is gone.
                let _ = writeln!(output, "{error}");
            }
        });
        Ok(terminal)
    }
}

/// Does the work of the command, as process `process`.
fn perform(process: &Process, command: Command, output: &mut Output) -> Result<(), String> {
    let text = |error: Errno| error.to_string();
    let print = |output: &mut Output, bytes: &[u8]| {
        output.write_all(bytes).map_err(|error| error.to_string())
    };
    match command {
        Command::Hd => print(
            output,
            dump(&read(process, 512, usize::MAX).map_err(text)?).as_bytes(),
        ),
        Command::Cat => print(output, &read(process, 512, usize::MAX).map_err(text)?),
        Command::DdHd => print(output, dump(&read(process, 1, 4).map_err(text)?).as_bytes()),
        Command::Echo(line) => write(process, &format!("{line}\n")).map_err(text),
        Command::Seq => write(process, SEQ).map_err(text),
        Command::Echoctl(arguments) => {
            let arguments = ["echoctl"].iter().chain(arguments);
            let arguments =
                echoctl::Args::try_parse_from(arguments).map_err(|error| error.to_string())?;
            let done = echoctl::run(
                &arguments.command,
                Path::new(DEVICE),
                &Hosted(process.clone()),
                output,
            );
            match done {
                // Interrupted, so there is no process left to report the error.
                Err(_) if process.exit_status().is_some() => Ok(()),
                done => done.map_err(|error| format!("echoctl: {error}")),
            }
        }
    }
}

/// Reads to the end, or `count` blocks of at most `size` bytes.
fn read(process: &Process, size: usize, count: usize) -> Result<Vec<u8>, Errno> {
    let fd = process.open(DEVICE, O_RDONLY)?;
    let (mut all, mut block) = (Vec::new(), vec![0; size]);
    for _ in 0..count {
        match process.read(fd, &mut block)? {
            0 => break,
            n => all.extend_from_slice(&block[..n]),
        }
    }
    process.close(fd)?;
    Ok(all)
}

fn write(process: &Process, text: &str) -> Result<(), Errno> {
    let fd = process.open(DEVICE, O_WRONLY)?;
    process.write(fd, text.as_bytes())?;
    process.close(fd)
}
