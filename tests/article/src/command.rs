//! The commands of the article's sessions.

/// A command of a shell. The device is `dev/echo` in its directory.
#[derive(Clone, Copy)]
pub enum Command {
    /// Reads all, in hexadecimal.
    Hd,
    /// Writes a line.
    Echo(&'static str),
    /// Reads all.
    Cat,
    /// Reads four bytes one by one, in hexadecimal.
    DdHd,
    /// `echoctl`, with these arguments.
    Echoctl(&'static [&'static str]),
    /// Writes 81 bytes at once. The article has `jot -c -s "" 80 48`, which Linux lacks. FreeBSD's
    /// seq(1) prints another end.
    Seq,
}

/// The output of [`Command::Seq`].
pub const SEQ: &str =
    "48495051525354555657585960616263646566676869707172737475767778798081828384858687\n";

impl Command {
    /// The command line.
    pub fn line(self) -> String {
        match self {
            Command::Hd => "hd < dev/echo".to_owned(),
            Command::Echo(text) => format!("echo \"{text}\" > dev/echo"),
            Command::Cat => "cat dev/echo".to_owned(),
            Command::DdHd => "dd if=dev/echo bs=1 count=4 status=none | hd".to_owned(),
            Command::Echoctl(arguments) => format!("echoctl {}", arguments.join(" ")),
            Command::Seq if cfg!(target_os = "freebsd") => "jot -s '' 40 48 > dev/echo".to_owned(),
            Command::Seq => "seq -s '' 48 87 > dev/echo".to_owned(),
        }
    }
}
