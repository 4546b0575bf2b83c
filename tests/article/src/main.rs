//! Replays the sessions of the article, on FreeBSD with the module in the kernel, elsewhere with
//! the hosted one. `mount` leaves the hosted device mounted for other programs.
#![forbid(unsafe_code)]

mod article;
mod command;
mod hexdump;
#[cfg(not(target_os = "freebsd"))]
mod hosted;
#[cfg(not(target_os = "freebsd"))]
mod inside;
mod interrupt;
#[cfg(target_os = "freebsd")]
mod loaded;
mod programs;
mod stage;
#[cfg(not(target_os = "freebsd"))]
mod system;

use clap::{Parser, Subcommand};
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(not(target_os = "freebsd"))]
use hosted::{Place, mount};
#[cfg(target_os = "freebsd")]
use loaded::Place;
use stage::print;

/// Replays the sessions of the article.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Load the module, replay the sessions of the article, unload it
    #[cfg(target_os = "freebsd")]
    Load {
        /// The module's file
        #[arg(value_name = "X.ko")]
        module: PathBuf,
    },
    /// Host the module and replay the sessions of the article
    #[cfg(not(target_os = "freebsd"))]
    Run {
        /// Do not mount the device; replay all in this process, as on machines without FUSE
        #[arg(long)]
        inside: bool,
        #[command(flatten)]
        files: Files,
    },
    /// Mount the device until Ctrl-C
    #[cfg(not(target_os = "freebsd"))]
    Mount(Files),
    /// Print standard input as hd(1) does, for machines without it
    #[command(hide = true)]
    Hd,
}

/// The module and the directory of its device.
#[cfg(not(target_os = "freebsd"))]
#[derive(clap::Args)]
struct Files {
    /// The module's file
    #[arg(value_name = "X.ko")]
    module: PathBuf,
    /// A directory, which is made and removed at the end. The device appears in its subdirectory
    /// dev
    dir: PathBuf,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        #[cfg(target_os = "freebsd")]
        Command::Load { module } => Place::new(&module).and_then(|place| run(&place)),
        #[cfg(not(target_os = "freebsd"))]
        Command::Run { inside, files } => {
            Place::new(&files.module, &files.dir, inside).and_then(|place| run(&place))
        }
        #[cfg(not(target_os = "freebsd"))]
        Command::Mount(files) => mount(&files.module, &files.dir),
        Command::Hd => hexdump::copy(io::stdin().lock(), io::stdout().lock())
            .map_err(|error| error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("article: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(place: &Place) -> Result<(), String> {
    let replayed = place.stage().and_then(|stage| article::replay(&*stage));
    let left = place.leave();
    replayed.and(left)?;
    print("\nExample 2 is of an earlier stage of the driver, and is left out.")?;
    print("Every line that does not depend on timing is as in the article.")
}
