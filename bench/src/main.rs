//! Writes `docs/benchmarks.md` from the data of the benchmarks. `make bench` runs it.

use anyhow::{Context, Result};
use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let measured = env::args_os()
        .nth(1)
        .context("usage: bench DIRECTORY, where criterion has written its data")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("bench has no parent directory")?;
    bench::report::make(Path::new(&measured), &root.join("docs"))
}
