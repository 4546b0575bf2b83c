//! The command line.

use crate::size::parse_size;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Shows what poll(2) and kevent(2) report for an echo device, and sets the size of its buffer.
#[derive(Debug, Parser)]
#[command(version, args_override_self = true)]
pub struct Args {
    /// The device [default: $ECHODEV, or else /dev/echo]
    #[arg(short, long, global = true, value_name = "PATH")]
    file: Option<PathBuf>,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// The device's path. `environment` is the value of $ECHODEV. An empty value counts as none.
    pub fn device(&self, environment: Option<OsString>) -> PathBuf {
        let environment = environment
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        self.file
            .clone()
            .or(environment)
            .unwrap_or_else(|| "/dev/echo".into())
    }
}

/// A command, with its options.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Discard the bytes in the buffer
    Clear,
    /// Print the events that kevent(2) reports, one per line
    Events(Watch),
    /// Print the events that poll(2) reports, the bytes available to read, and the room to write
    Poll(Watch),
    /// Set the size of the buffer
    Resize {
        /// In bytes, or with k, M or G: 4096, 4k, 1M
        #[arg(allow_hyphen_values = true, value_parser = parse_size)]
        size: usize,
    },
    /// Print the size of the buffer, in bytes
    Size,
}

/// The sides of the device to check, and whether to wait.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Watch {
    #[arg(short, long, help = "Only the read side, unless -w is also given")]
    read: bool,
    #[arg(short, long, help = "Only the write side, unless -r is also given")]
    write: bool,
    /// Wait for an event. `events` then continues until it is stopped or the device is gone
    #[arg(short = 'W', long)]
    pub wait: bool,
}

impl Watch {
    /// Whether to check the read side.
    pub fn reads(self) -> bool {
        self.read || !self.write
    }

    /// Whether to check the write side.
    pub fn writes(self) -> bool {
        self.write || !self.read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt as _;

    fn parse<const N: usize>(args: [&str; N]) -> Result<Args, String> {
        Args::try_parse_from(["echoctl"].into_iter().chain(args)).map_err(|error| error.to_string())
    }

    fn watch(args: Args) -> Watch {
        match args.command {
            Command::Events(watch) | Command::Poll(watch) => watch,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_sides_unless_one_is_asked_for() {
        for (flags, reads, writes) in [
            ("-W", true, true),
            ("-r", true, false),
            ("-w", false, true),
            ("-rw", true, true),
        ] {
            let watch = watch(parse(["poll", flags]).unwrap());
            assert_eq!((watch.reads(), watch.writes()), (reads, writes), "{flags}");
        }
        let watch = watch(parse(["events", "-rWr", "-w"]).unwrap());
        assert!(watch.reads() && watch.writes() && watch.wait);
    }

    #[test]
    fn the_device_is_the_option_or_the_environment_or_the_default() {
        let none = parse(["size"]).unwrap();
        assert_eq!(none.device(None), PathBuf::from("/dev/echo"));
        assert_eq!(none.device(Some("".into())), PathBuf::from("/dev/echo"));
        assert_eq!(
            none.device(Some("/mnt/echo".into())),
            PathBuf::from("/mnt/echo")
        );
        for args in [
            ["-f", "a", "size"],
            ["size", "-f", "a"],
            ["size", "--file", "a"],
        ] {
            assert_eq!(
                parse(args).unwrap().device(Some("/mnt/echo".into())),
                PathBuf::from("a")
            );
        }
    }

    #[test]
    fn a_path_need_not_be_utf8() {
        let path = OsString::from_vec(b"/mnt/\xff".to_vec());
        let args = Args::try_parse_from([
            OsString::from("echoctl"),
            "-f".into(),
            path.clone(),
            "size".into(),
        ])
        .unwrap();
        assert_eq!(args.device(None), PathBuf::from(path));
    }

    #[test]
    fn invalid_sizes_have_a_message() {
        for (size, message) in [
            ("-1", "'-1' for '<SIZE>': a size cannot be negative"),
            ("99999999999999999999", "too large"),
            ("x", "'x' for '<SIZE>': not a size"),
            ("-x", "not a size"),
            ("", "not a size"),
        ] {
            let error = parse(["resize", size]).unwrap_err();
            assert!(error.contains(message), "{size}: {error}");
        }
        assert!(matches!(
            parse(["resize", "4k", "-f", "a"]).unwrap().command,
            Command::Resize { size: 4096 }
        ));
        assert!(parse(["resize"]).is_err());
    }

    #[test]
    fn a_command_is_needed() {
        for args in [
            vec![],
            vec!["-f", "a"],
            vec!["grow"],
            vec!["size", "extra"],
            vec!["poll", "-x"],
            vec!["-f"],
        ] {
            assert!(
                Args::try_parse_from(["echoctl"].iter().chain(&args)).is_err(),
                "{args:?}"
            );
        }
    }
}
