//! The commands, on a device whose answers a test sets.

use super::*;
use clap::Parser as _;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

/// The answers of a device, and the calls that were made on it.
#[derive(Clone)]
struct Fake {
    open: Result<(), Errno>,
    size: Result<usize, Errno>,
    change: Result<(), Errno>,
    bytes: Result<[i32; 2], Errno>,
    poll: Result<PollFlags, Errno>,
    batches: Vec<Result<Vec<Event>, Errno>>,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Fake {
    fn new() -> Self {
        Self {
            open: Ok(()),
            size: Ok(64),
            change: Ok(()),
            bytes: Ok([5, 59]),
            poll: Ok(PollFlags::empty()),
            batches: Vec::new(),
            asked: Rc::default(),
        }
    }

    fn ask(&self, what: String) {
        self.asked.borrow_mut().push(what);
    }

    /// The output of `echoctl` with these arguments, its error message, and its calls on the
    /// device.
    fn run<const N: usize>(&self, args: [&str; N]) -> (String, Option<String>, Vec<String>) {
        let args = crate::Args::try_parse_from(["echoctl"].into_iter().chain(args)).unwrap();
        let mut out = Vec::new();
        let result = run(&args.command, &args.device(None), self, &mut out);
        let out = String::from_utf8(out).unwrap();
        (
            out,
            result.err().map(|error| error.to_string()),
            self.asked.take(),
        )
    }

    /// The output of [`Fake::run`] if there is no error.
    fn prints<const N: usize>(&self, args: [&str; N]) -> String {
        let (out, error, _) = self.run(args);
        assert_eq!(error, None);
        out
    }
}

impl System for Fake {
    type Device = Fake;

    fn open(&self, _path: &Path, access: Access) -> Result<Fake, Errno> {
        self.ask(format!("open {access:?}"));
        self.open.map(|()| self.clone())
    }
}

impl Device for Fake {
    type Events = Fake;

    fn buffer_size(&self) -> Result<usize, Errno> {
        self.ask("size".into());
        self.size
    }

    fn set_buffer_size(&self, size: usize) -> Result<(), Errno> {
        self.ask(format!("resize {size}"));
        self.change
    }

    fn clear(&self) -> Result<(), Errno> {
        self.ask("clear".into());
        self.change
    }

    fn bytes(&self, side: Side) -> Result<i32, Errno> {
        self.ask(format!("bytes {side:?}"));
        self.bytes
            .map(|bytes| bytes[(side == Side::Write) as usize])
    }

    fn poll(&self, events: PollFlags, wait: bool) -> Result<PollFlags, Errno> {
        self.ask(format!("poll {events:?} wait={wait}"));
        self.poll
    }

    fn watch(&self, sides: &[Side]) -> Result<Fake, Errno> {
        self.ask(format!("watch {sides:?}"));
        Ok(self.clone())
    }
}

impl crate::Events for Fake {
    fn next(&mut self, wait: bool) -> Result<Vec<Event>, Errno> {
        self.ask(format!("next wait={wait}"));
        if self.batches.is_empty() {
            // An interrupted wait that is not restarted, so that a test can end an endless wait.
            return Err(Errno::EINTR);
        }
        self.batches.remove(0)
    }
}

fn event(side: Side, bytes: i64) -> Event {
    Event {
        side,
        bytes,
        eof: false,
        gone: false,
    }
}

#[test]
fn size_prints_the_size() {
    let (out, error, asked) = Fake::new().run(["size"]);
    assert_eq!((out.as_str(), error), ("64\n", None));
    assert_eq!(asked, ["open Read", "size"]);
}

#[test]
fn clear_and_resize_open_for_writing_and_print_nothing() {
    let (out, error, asked) = Fake::new().run(["clear"]);
    assert_eq!((out.as_str(), error), ("", None));
    assert_eq!(asked, ["open ReadWrite", "size", "clear"]);
    let (out, error, asked) = Fake::new().run(["resize", "4k"]);
    assert_eq!((out.as_str(), error), ("", None));
    assert_eq!(asked, ["open ReadWrite", "size", "resize 4096"]);
}

#[test]
fn poll_prints_what_the_article_prints() {
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    let fake = Fake {
        poll: Ok(both),
        bytes: Ok([0, 64]),
        ..Fake::new()
    };
    let expected =
        "Returned events: POLLIN|POLLOUT\n0 bytes available to read\nroom to write 64 bytes\n";
    assert_eq!(fake.prints(["poll"]), expected);

    let fake = Fake {
        poll: Ok(PollFlags::POLLIN),
        ..Fake::new()
    };
    let (out, _, asked) = fake.run(["poll", "-rW"]);
    assert_eq!(out, "Returned events: POLLIN\n5 bytes available to read\n");
    assert_eq!(
        asked,
        [
            "open Read",
            "size",
            "poll PollFlags(POLLIN) wait=true",
            "bytes Read"
        ]
    );

    let fake = Fake {
        poll: Ok(PollFlags::POLLOUT),
        ..Fake::new()
    };
    assert_eq!(
        fake.prints(["poll", "-w"]),
        "Returned events: POLLOUT\nroom to write 59 bytes\n"
    );
    assert_eq!(Fake::new().prints(["poll"]), "Returned events: <none>\n");
}

#[test]
fn poll_reports_that_the_device_is_gone() {
    let fake = Fake {
        poll: Ok(PollFlags::POLLIN | PollFlags::POLLHUP),
        bytes: Err(Errno::ENXIO),
        ..Fake::new()
    };
    let (out, error, _) = fake.run(["poll"]);
    assert_eq!(out, "Returned events: POLLIN|POLLHUP\n");
    assert_eq!(error.unwrap(), "/dev/echo: the device is gone");
}

#[test]
fn events_prints_what_there_is_and_ends() {
    let there = vec![
        Event {
            eof: true,
            ..event(Side::Read, 0)
        },
        event(Side::Write, 64),
    ];
    let fake = Fake {
        batches: vec![Ok(there)],
        ..Fake::new()
    };
    let (out, error, asked) = fake.run(["events"]);
    assert_eq!(
        (out.as_str(), error),
        (
            "EVFILT_READ: EV_EOF 0 bytes\nEVFILT_WRITE: 64 bytes\n",
            None
        )
    );
    assert_eq!(
        asked,
        [
            "open Read",
            "size",
            "watch [Read, Write]",
            "next wait=false"
        ]
    );

    let fake = Fake {
        batches: vec![Ok(vec![])],
        ..Fake::new()
    };
    let (out, error, asked) = fake.run(["events", "-w"]);
    assert_eq!((out.as_str(), error), ("", None));
    assert_eq!(asked[2], "watch [Write]");
}

#[test]
fn events_continues_until_the_device_is_gone() {
    let gone = Event {
        eof: true,
        gone: true,
        ..event(Side::Read, 8)
    };
    let batches = vec![
        Ok(vec![event(Side::Read, 8)]),
        Ok(vec![event(Side::Write, 64)]),
        Ok(vec![gone]),
    ];
    let (out, error, asked) = Fake {
        batches,
        ..Fake::new()
    }
    .run(["events", "-W"]);
    assert_eq!(
        out,
        "EVFILT_READ: 8 bytes\nEVFILT_WRITE: 64 bytes\nEVFILT_READ: EV_EOF 8 bytes\n"
    );
    assert_eq!(error.unwrap(), "/dev/echo: the device is gone");
    assert_eq!(
        asked[3..],
        ["next wait=true", "next wait=true", "next wait=true"]
    );
}

#[test]
fn errors_name_the_device_and_the_request() {
    for (fake, message) in [
        (
            Fake {
                open: Err(Errno::ENOENT),
                ..Fake::new()
            },
            "/dev/echo: No such file or directory",
        ),
        (
            Fake {
                open: Err(Errno::EACCES),
                ..Fake::new()
            },
            "/dev/echo: Permission denied",
        ),
        (
            Fake {
                size: Err(Errno::ENOTTY),
                ..Fake::new()
            },
            "/dev/echo: not an echo device",
        ),
        (
            Fake {
                size: Err(Errno::EIO),
                ..Fake::new()
            },
            "/dev/echo: size: Input/output error",
        ),
        (
            Fake {
                change: Err(Errno::EPERM),
                ..Fake::new()
            },
            "/dev/echo: clear: Operation not permitted",
        ),
    ] {
        let (out, error, _) = fake.run(["clear"]);
        assert_eq!((out.as_str(), error.as_deref()), ("", Some(message)));
    }
}

#[test]
fn a_refused_size_has_a_reason() {
    for (errno, message) in [
        (
            Errno::EBUSY,
            "(it holds more bytes than that; `echoctl clear` discards them)",
        ),
        (
            Errno::EINVAL,
            "Invalid argument (above the limit, hw.echodev.maxsize)",
        ),
        (Errno::EPERM, "Operation not permitted"),
    ] {
        let (_, error, _) = Fake {
            change: Err(errno),
            ..Fake::new()
        }
        .run(["resize", "99"]);
        let error = error.unwrap();
        assert!(
            error.starts_with("/dev/echo: resize to 99: ") && error.ends_with(message),
            "{error}"
        );
    }
}

#[test]
fn an_error_follows_the_output_before_it() {
    let fake = Fake {
        poll: Ok(PollFlags::POLLIN),
        bytes: Err(Errno::ENXIO),
        ..Fake::new()
    };
    let (out, error, _) = fake.run(["poll"]);
    assert_eq!(out, "Returned events: POLLIN\n");
    assert!(error.unwrap().starts_with("/dev/echo: FIONREAD: "));

    let fake = Fake {
        batches: vec![Ok(vec![event(Side::Read, 1)]), Err(Errno::ENXIO)],
        ..Fake::new()
    };
    let (out, error, _) = fake.run(["events", "-W"]);
    assert_eq!(out, "EVFILT_READ: 1 bytes\n");
    assert!(error.unwrap().starts_with("/dev/echo: events: "));
}

/// Output whose reader is gone. It counts what was flushed before.
struct Pipe {
    lines_left: usize,
    unflushed: bool,
}

impl Write for Pipe {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.lines_left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.unflushed = true;
        self.lines_left -= text.ends_with(b"\n") as usize;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unflushed = false;
        Ok(())
    }
}

#[test]
fn events_ends_when_the_reader_is_gone() {
    let batches = vec![
        Ok(vec![event(Side::Read, 1)]),
        Ok(vec![event(Side::Read, 2)]),
        Ok(vec![event(Side::Read, 3)]),
    ];
    let fake = Fake {
        batches,
        ..Fake::new()
    };
    let mut out = Pipe {
        lines_left: 2,
        unflushed: false,
    };
    let args = crate::Args::try_parse_from(["echoctl", "events", "-W"]).unwrap();
    let error = run(&args.command, Path::new("/dev/echo"), &fake, &mut out).unwrap_err();
    assert!(matches!(error, Error::Output(error) if error.kind() == io::ErrorKind::BrokenPipe));
    assert!(!out.unflushed, "a line was kept back");
}
