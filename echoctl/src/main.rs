//! The `echoctl` program: a thin shell around the library.

use clap::Parser as _;
use echoctl::{Args, Error, Native};
use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let path = args.device(env::var_os("ECHODEV"));
    match echoctl::run(&args.command, &path, &Native, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe, which is not an error.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            // If this fails, there is no place for the message.
            let _ = writeln!(io::stderr(), "echoctl: {error}");
            ExitCode::FAILURE
        }
    }
}
