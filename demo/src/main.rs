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
use stage::say;

/// Shows the driver at work.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replay the sessions of the article
    Run {
        /// Mount nothing: replay them in this process, as is done where nothing can be mounted
        #[arg(long)]
        inside: bool,
        #[command(flatten)]
        files: Files,
    },
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
        Command::Run { inside, files } => run(&files, inside),
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

fn run(files: &Files, inside: bool) -> Result<(), String> {
    let place = Place::new(&files.module, &files.dir, inside)?;
    let replayed = place.stage().and_then(|stage| article::replay(&*stage));
    let left = place.leave();
    replayed.and(left)?;
    say("\nEvery line that can be foretold is as the article has it.")
}
