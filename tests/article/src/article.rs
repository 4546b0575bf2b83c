//! The sessions of the article: "Character Device Driver Tutorial (Part 2)" by John Baldwin,
//! FreeBSD Journal. Its Example 2 shows an earlier version of the driver, which had no end of file.

use crate::command::{Command, SEQ};
use crate::stage::{Stage, Terminal, print};

/// Replays the sessions, and prints them as they go.
///
/// # Errors
///
/// A line is not as it should be, or is missing.
pub fn replay(stage: &dyn Stage) -> Result<(), String> {
    print("\nExample 1: Simple FIFO I/O\n")?;
    run(stage, Command::Hd, &[])?;
    run(stage, Command::Echo("foo"), &[])?;
    run(stage, Command::Cat, &["foo"])?;
    run(stage, Command::Echo("12345678"), &[])?;
    let dump = "00000000  31 32 33 34                                       |1234|";
    run(stage, Command::DdHd, &[dump, "00000004"])?;
    run(stage, Command::Cat, &["5678"])?;

    print("\nExample 3: Polling I/O status\n")?;
    let poll = Command::Echoctl(&["poll"]);
    let both = "Returned events: POLLIN|POLLOUT";
    run(
        stage,
        poll,
        &[both, "0 bytes available to read", "room to write 64 bytes"],
    )?;
    run(stage, Command::Echo("foo"), &[])?;
    run(
        stage,
        poll,
        &[both, "4 bytes available to read", "room to write 60 bytes"],
    )?;
    run(stage, Command::Cat, &["foo"])?;
    run(
        stage,
        Command::Echoctl(&["poll", "-r"]),
        &["Returned events: POLLIN", "0 bytes available to read"],
    )?;

    print("\nExample 4: Reporting I/O status by kernel events, in three terminals\n")?;
    example_4(stage)
}

/// Runs a command to its end, and checks what it prints.
fn run(stage: &dyn Stage, command: Command, prints: &[&str]) -> Result<(), String> {
    print(&format!("# {}", command.line()))?;
    let terminal = stage.start(command)?;
    let mut expected = prints.iter();
    while let Some(line) = terminal.line()? {
        print(&line)?;
        expect(&line, expected.next().copied())?;
    }
    expected
        .next()
        .map_or(Ok(()), |line| Err(format!("this line is missing: {line}")))
}

fn expect(line: &str, expected: Option<&str>) -> Result<(), String> {
    match expected {
        Some(expected) if expected == line => Ok(()),
        Some(expected) => Err(format!("the previous line should be: {expected}")),
        None => Err("the previous line should not be there".to_owned()),
    }
}

fn start(stage: &dyn Stage, number: u32, command: Command) -> Result<Terminal, String> {
    print(&format!("{number}# {}", command.line()))?;
    stage.start(command)
}

/// The next line of terminal `number`.
fn next(terminal: &Terminal, number: u32) -> Result<String, String> {
    let line = terminal.line()?.ok_or("the command has ended too early")?;
    print(&format!("{number}  {line}"))?;
    Ok(line)
}

/// A writer fills the buffer and waits for a reader. The number and contents of the events while
/// both run depend on which is faster.
fn example_4(stage: &dyn Stage) -> Result<(), String> {
    const IDLE: &str = "EVFILT_WRITE: 64 bytes";
    let events = start(stage, 1, Command::Echoctl(&["events", "-W"]))?;
    expect(&next(&events, 1)?, Some("EVFILT_READ: EV_EOF 0 bytes"))?;
    expect(&next(&events, 1)?, Some(IDLE))?;

    let writer = start(stage, 2, Command::Seq)?;
    expect(&next(&events, 1)?, Some("EVFILT_READ: 64 bytes"))?;

    let reader = start(stage, 3, Command::Cat)?;
    expect(&next(&reader, 3)?, Some(SEQ.trim_end()))?;
    expect_end(&reader)?;
    expect_end(&writer)?;
    // The last event of each side is its end of file, or all the room.
    let (mut ended, mut idle) = (false, false);
    while !(ended && idle) {
        let line = next(&events, 1)?;
        match line.strip_prefix("EVFILT_READ: ") {
            Some(read) => {
                ended = read.starts_with("EV_EOF ");
                let left = read.trim_start_matches("EV_EOF ");
                if !["0 bytes", "17 bytes", "64 bytes"].contains(&left) {
                    return Err("the previous line is impossible".to_owned());
                }
            }
            None => {
                idle = line == IDLE;
                if !idle && line != "EVFILT_WRITE: 47 bytes" {
                    return Err("the previous line is impossible".to_owned());
                }
            }
        }
    }
    print("1  ^C")
}

fn expect_end(terminal: &Terminal) -> Result<(), String> {
    terminal.line()?.map_or(Ok(()), |line| {
        Err(format!("{line}: this line should not be there"))
    })
}
