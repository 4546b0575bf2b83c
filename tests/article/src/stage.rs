//! The stage for the sessions, either the mount with real programs, or this process.

use crate::command::Command;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Far more than any command takes.
const BOUND: Duration = Duration::from_secs(20);

/// Prints a line, at once.
///
/// # Errors
///
/// The reader is gone.
pub fn print(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))
}

/// A place to run commands.
pub trait Stage {
    /// Starts a command, in a terminal of its own.
    fn start(&self, command: Command) -> Result<Terminal, String>;
}

/// A terminal where a command runs. Dropping it ends the command.
pub struct Terminal {
    lines: Receiver<String>,
    interrupt: Box<dyn Fn()>,
}

impl Terminal {
    /// A terminal that shows everything written to the [`Output`]. `interrupt` is the action of
    /// Ctrl-C, which is possible at any time.
    pub fn new(interrupt: impl Fn() + 'static) -> (Terminal, Output) {
        let (sender, lines) = channel();
        (
            Terminal {
                lines,
                interrupt: Box::new(interrupt),
            },
            Output {
                lines: sender,
                partial: Vec::new(),
            },
        )
    }

    /// Waits for the next line, which is `None` when the command has ended.
    ///
    /// # Errors
    ///
    /// No line arrives in time.
    pub fn line(&self) -> Result<Option<String>, String> {
        match self.lines.recv_timeout(BOUND) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(format!(
                "nothing has happened for {} seconds",
                BOUND.as_secs()
            )),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        (self.interrupt)();
        // Until its end, or the usual bound.
        while self.line().is_ok_and(|line| line.is_some()) {}
    }
}

/// The output of a command, cut into lines.
pub struct Output {
    lines: Sender<String>,
    partial: Vec<u8>,
}

impl Output {
    fn send(&self, bytes: &[u8]) {
        // It fails only if the terminal is gone.
        let _ = self.lines.send(String::from_utf8_lossy(bytes).into_owned());
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        while let Some(end) = self.partial.iter().position(|&byte| byte == b'\n') {
            let rest = self.partial.split_off(end + 1);
            self.send(&self.partial[..end]);
            self.partial = rest;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if !self.partial.is_empty() {
            self.send(&self.partial);
        }
    }
}
