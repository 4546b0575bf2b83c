//! The scenarios. Each starts its threads, and waits until no thread runs. Then the last writers
//! close, so that the readers end. A missed wakeup is found before that.

use kldhost_shuttle::sync::fail;
use kldhost_shuttle::{EV_CLEAR, EVFILT_READ, Fd, O_NONBLOCK, Process, SigAction, Signal};

use crate::roles::*;
use crate::stage::{Side, Stage};

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The size of the device's buffer, in bytes.
    pub bufsize: usize,
    /// Starts the threads. The result is what they have open for writing.
    begin: fn(&Stage) -> Vec<(Process, Fd)>,
}

impl Scenario {
    /// Plays it, from the start of its threads to their end.
    pub fn play(&self, stage: &Stage) {
        let open = (self.begin)(stage);
        if stage.unloads() {
            stage.start_unload();
            stage.settle();
            return;
        }
        stage.settle();
        start_reader(stage, "last reader", 2);
        stage.settle();
        for (process, fd) in open {
            if let Err(what) = stage.close_writer(&process, fd) {
                fail(what);
            }
        }
        stage.settle();
    }
}

/// All of them.
pub const ALL: [Scenario; 14] = [
    Scenario {
        name: "crowd",
        bufsize: 2,
        begin: crowd,
    },
    Scenario {
        name: "read_once",
        bufsize: 2,
        begin: read_once,
    },
    Scenario {
        name: "write_once",
        bufsize: 2,
        begin: write_once,
    },
    Scenario {
        name: "last_close",
        bufsize: 2,
        begin: last_close,
    },
    Scenario {
        name: "resize",
        bufsize: 1,
        begin: resize_against_writers,
    },
    Scenario {
        name: "clear",
        bufsize: 1,
        begin: clear_against_writers,
    },
    Scenario {
        name: "poll",
        bufsize: 1,
        begin: poll_against_events,
    },
    Scenario {
        name: "kevent",
        bufsize: 1,
        begin: kevent_against_events,
    },
    Scenario {
        name: "kqueue_of_two",
        bufsize: 2,
        begin: kqueue_of_two,
    },
    Scenario {
        name: "report",
        bufsize: 2,
        begin: report_of_a_waiter,
    },
    Scenario {
        name: "signal_reader",
        bufsize: 2,
        begin: signal_reader,
    },
    Scenario {
        name: "signal_writer",
        bufsize: 1,
        begin: signal_writer,
    },
    Scenario {
        name: "signal_waiter",
        bufsize: 1,
        begin: signal_waiter,
    },
    Scenario {
        name: "revoke",
        bufsize: 3,
        begin: revoke_against_waiters,
    },
];

fn start_reader(stage: &Stage, name: &str, size: usize) -> Process {
    let (process, fd) = stage.reader(0);
    let theirs = process.clone();
    stage.spawn(name, move |stage| read_all(stage, &theirs, fd, size));
    process
}

fn start_writer(
    stage: &Stage,
    name: &str,
    number: usize,
    calls: &'static [usize],
) -> (Process, Fd) {
    let (process, fd) = stage.writer(0);
    let theirs = process.clone();
    stage.spawn(name, move |stage| {
        write_all(stage, &theirs, fd, number, calls)
    });
    (process, fd)
}

/// Two readers and two writers, with room for two bytes.
fn crowd(stage: &Stage) -> Vec<(Process, Fd)> {
    let writers = vec![
        start_writer(stage, "writer 0", 0, &[2, 1]),
        start_writer(stage, "writer 1", 1, &[3]),
    ];
    start_reader(stage, "reader 0", 2);
    start_reader(stage, "reader 1", 1);
    writers
}

/// Two bytes come at once, and each of two readers takes one and leaves; one of them gives up on a
/// signal.
fn read_once(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[2]);
    let readers = ["reader 0", "reader 1"].map(|name| {
        let (process, fd) = stage.reader(0);
        let theirs = process.clone();
        stage.spawn(name, move |stage| read_once_only(stage, &theirs, fd, 1));
        process
    });
    start_signals(stage, &readers[0], false, &[Signal::USR1]);
    vec![writer]
}

/// Two bytes leave at once, and each of two writers puts one in their place; what they do after a
/// signal is up to SA_RESTART.
fn write_once(stage: &Stage) -> Vec<(Process, Fd)> {
    let filler = full(stage, 2);
    let writers = [
        start_writer(stage, "writer 0", 0, &[1]),
        start_writer(stage, "writer 1", 1, &[1]),
    ];
    start_signals(stage, &writers[0].0, true, &[Signal::USR1]);
    let (process, fd) = stage.reader(0);
    stage.spawn("reader", move |stage| {
        read_once_only(stage, &process, fd, 2)
    });
    writers.into_iter().chain([filler]).collect()
}

/// The last writers close, and another one comes and goes, while readers are about to sleep.
fn last_close(stage: &Stage) -> Vec<(Process, Fd)> {
    let (first, second) = (stage.writer(0), stage.writer(0));
    start_reader(stage, "reader 0", 2);
    start_reader(stage, "reader 1", 1);
    stage.spawn("writer 0", move |stage| {
        let (process, fd) = first;
        write_all(stage, &process, fd, 0, &[1])?;
        if stage.unloads() {
            Ok(())
        } else {
            stage.close_writer(&process, fd)
        }
    });
    stage.spawn("closer", move |stage| {
        stage.close_writer(&second.0, second.1)
    });
    let (process, _) = stage.reader(0);
    stage.spawn("opener", move |stage| {
        match stage.open_writer(&process)? {
            Some(fd) => stage.close_writer(&process, fd),
            None => Ok(()),
        }
    });
    Vec::new()
}

/// The device is full, two writers wait or are about to, and its size changes three times.
fn resize_against_writers(stage: &Stage) -> Vec<(Process, Fd)> {
    let changer = full(stage, 1);
    let writers = [
        start_writer(stage, "writer 0", 0, &[2]),
        start_writer(stage, "writer 1", 1, &[1, 1]),
    ];
    let (process, fd) = changer.clone();
    stage.spawn("resizer", move |stage| {
        resize(stage, &process, fd, 3)?;
        resize(stage, &process, fd, 1)?;
        resize(stage, &process, fd, 2)
    });
    writers.into_iter().chain([changer]).collect()
}

/// The device is full, two writers wait or are about to, and all bytes are discarded twice.
fn clear_against_writers(stage: &Stage) -> Vec<(Process, Fd)> {
    let changer = full(stage, 1);
    let writers = [
        start_writer(stage, "writer 0", 0, &[2]),
        start_writer(stage, "writer 1", 1, &[1]),
    ];
    let (process, fd) = changer.clone();
    stage.spawn("clearer", move |stage| {
        clear(stage, &process, fd)?;
        clear(stage, &process, fd)
    });
    writers.into_iter().chain([changer]).collect()
}

/// Writer 2 has filled the device, of size `n`, and still has it open.
fn full(stage: &Stage, n: usize) -> (Process, Fd) {
    let (process, fd) = stage.writer(O_NONBLOCK);
    let bytes = stage.bytes().next(2, n);
    match process.write(fd, &bytes) {
        Ok(n) => stage.bytes().taken(2, n),
        Err(error) => fail(format!("write: {error}")),
    }
    (process, fd)
}

/// Threads that enter poll(2), while others cause the events.
fn poll_against_events(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 1", 1, &[2]);
    let (process, fd) = stage.writer(O_NONBLOCK);
    stage.wants(&process, Side::Write);
    let theirs = process.clone();
    stage.spawn("polling writer", move |stage| {
        poll_and_write(stage, &theirs, fd, 0, 2)
    });
    start_poller(stage, "poller 0");
    start_poller(stage, "poller 1");
    vec![(process, fd), writer]
}

/// Threads that enter kevent(2), while others cause the events.
fn kevent_against_events(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 1", 1, &[2]);
    let (process, fd) = stage.writer(O_NONBLOCK);
    stage.wants(&process, Side::Write);
    let theirs = process.clone();
    stage.spawn("kevent writer", move |stage| {
        kevent_and_write(stage, &theirs, fd, 0, 2, EV_CLEAR)
    });
    start_kevent_reader(stage, "kevent 0", 0);
    start_kevent_reader(stage, "kevent 1", EV_CLEAR);
    vec![(process, fd), writer]
}

/// Two threads that wait on one kqueue.
fn kqueue_of_two(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[2, 1]);
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let kq = match kqueue(stage, &process, fd, EVFILT_READ, 0) {
        Ok(Some(kq)) => kq,
        other => fail(format!("no kqueue: {other:?}")),
    };
    for name in ["kevent 0", "kevent 1"] {
        let process = process.clone();
        stage.spawn(name, move |stage| wait_and_read(stage, &process, fd, kq));
    }
    vec![writer]
}

/// The kqueue of a waiting thread is reported, as procstat(1) does. Nothing else happens, except
/// unloading. The kernel skips a knote that is being reported, so a change of the device could be
/// missed.
fn report_of_a_waiter(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = stage.writer(0);
    let waiters = ["kevent 0", "kevent 1"].into_iter().zip([0, EV_CLEAR]);
    for (name, flags) in waiters {
        let pid = start_kevent_reader(stage, name, flags).pid();
        stage.start_report(pid);
    }
    vec![writer]
}

/// Signals against what wakes readers.
fn signal_reader(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1]);
    let reader = start_reader(stage, "reader 0", 1);
    start_reader(stage, "reader 1", 1);
    start_signals(stage, &reader, false, &[Signal::USR1, Signal::USR2]);
    vec![writer]
}

/// Signals against what wakes writers.
fn signal_writer(stage: &Stage) -> Vec<(Process, Fd)> {
    let writers = vec![
        start_writer(stage, "writer 0", 0, &[3]),
        start_writer(stage, "writer 1", 1, &[2]),
    ];
    start_signals(stage, &writers[0].0, false, &[Signal::USR1]);
    start_signals(stage, &writers[1].0, true, &[Signal::USR1]);
    start_reader(stage, "reader 0", 1);
    writers
}

/// Signals against what wakes threads in poll(2) and kevent(2).
fn signal_waiter(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1]);
    let poller = start_poller(stage, "poller");
    start_signals(stage, &poller, false, &[Signal::USR1]);
    let kevent = start_kevent_reader(stage, "kevent", 0);
    start_signals(stage, &kevent, true, &[Signal::USR1]);
    vec![writer]
}

/// Everything is revoked while threads wait for a byte, or are about to.
fn revoke_against_waiters(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1, 1]);
    start_reader(stage, "reader 0", 1);
    start_reader(stage, "reader 1", 1);
    start_poller(stage, "poller");
    start_kevent_reader(stage, "kevent", 0);
    let revoker = writer.0.clone();
    stage.spawn("revoke", move |stage| stage.revoke(&revoker));
    vec![writer]
}

/// A thread that reads, and waits in poll(2).
fn start_poller(stage: &Stage, name: &str) -> Process {
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let theirs = process.clone();
    stage.spawn(name, move |stage| poll_and_read(stage, &theirs, fd));
    process
}

/// A thread that reads, and waits in kevent(2).
fn start_kevent_reader(stage: &Stage, name: &str, flags: u16) -> Process {
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let theirs = process.clone();
    stage.spawn(name, move |stage| {
        kevent_and_read(stage, &theirs, fd, flags)
    });
    process
}

/// A thread that sends signals to a process, which handles them. `restart` is SA_RESTART.
fn start_signals(stage: &Stage, process: &Process, restart: bool, signals: &'static [Signal]) {
    for &signal in signals {
        if let Err(error) = process.sigaction(signal, SigAction::Handler { restart }) {
            fail(format!("sigaction: {error}"));
        }
    }
    let process = process.clone();
    stage.spawn("signals", move |stage| {
        signals
            .iter()
            .for_each(|&signal| stage.kill(&process, signal));
        Ok(())
    });
}
