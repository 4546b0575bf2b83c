//! `kldhost`: runs FreeBSD kernel modules in an ordinary process.

mod run;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kldhost::image::{self, LoadError};
use kldhost::inspect;

/// Hosts FreeBSD kernel modules (.ko, amd64) in an ordinary process.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print the contents of a module: names, versions, sections, relocations, symbols, sysinits
    Inspect {
        /// The module's file
        #[arg(value_name = "X.ko")]
        file: PathBuf,
    },
    /// Load a module, and offer its devices in a directory until Ctrl-C unloads it
    Run(run::Arguments),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Inspect { file } => match inspect_file(&file) {
            Ok(text) => print(&text),
            Err(error) => fail(&format!("{}: {error}", file.display())),
        },
        Command::Run(arguments) => match run::run(arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
    }
}

fn inspect_file(file: &Path) -> Result<String, LoadError> {
    let report = inspect::inspect(&image::read_file(file)?)?;
    Ok(format!("{}: {report}", file.display()))
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        // The reader closed the pipe, which is not an error.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => fail(&format!("standard output: {error}")),
        Ok(()) => ExitCode::SUCCESS,
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("kldhost: {message}");
    ExitCode::FAILURE
}
