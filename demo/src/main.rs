//! `demo`: shows the driver at work on this machine. `run` replays the sessions of the article on the hosted module, `host`
//! leaves the device up to play with.
#![forbid(unsafe_code)]

mod article;
mod command;
mod hexdump;
mod inside;
mod mounted;
mod place;
mod stage;
mod system;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use place::{Place, host};

/// Shows the driver at work.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay the sessions of the article
    Run(Files),
    /// Mount the device, and leave it up until Ctrl-C
    Host(Files),
    /// Print standard input as hd(1) does, for machines that have none
    #[command(hide = true)]
    Hd,
}

/// What is hosted, and where.
#[derive(clap::Args)]
struct Files {
    /// The module's file
    #[arg(value_name = "X.ko")]
    module: PathBuf,
    /// A directory to be made, and removed at the end; the device appears in its subdirectory dev
    dir: PathBuf,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(files) => run(&files),
        Command::Host(files) => host(&files.module, &files.dir),
        Command::Hd => hexdump::copy(io::stdin().lock(), io::stdout().lock()).map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(files: &Files) -> Result<(), String> {
    let place = Place::new(&files.module, &files.dir)?;
    let replayed = article::replay(&*place.stage());
    let left = place.leave();
    replayed.and(left)?;
    println!("\nEvery line that can be foretold is as the article has it.");
    Ok(())
}
