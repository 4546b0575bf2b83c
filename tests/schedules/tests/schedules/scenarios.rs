//! The scenarios. Each starts its threads, and waits until no thread runs. Then the last writers
//! close, so that the readers end. A missed wakeup is found before that.

mod waiting;

use kldhost_shuttle::sync::fail;
use kldhost_shuttle::{Fd, O_NONBLOCK, Process, SigAction, Signal};

use crate::roles::*;
use crate::stage::Stage;
use waiting::*;

/// A scenario.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The size of the device's buffer, in bytes.
    pub bufsize: usize,
    /// Starts the threads. The result is the descriptors that are open for writing.
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

/// Two bytes arrive at once. Two readers take one each and leave, and one of them leaves on a
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

/// Two bytes leave at once, and two writers each replace one. SA_RESTART decides what follows a
/// signal.
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

/// The last writers close, and another one opens and closes, while readers are about to sleep.
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

/// Signals against a wakeup of readers.
fn signal_reader(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1]);
    let reader = start_reader(stage, "reader 0", 1);
    start_reader(stage, "reader 1", 1);
    start_signals(stage, &reader, false, &[Signal::USR1, Signal::USR2]);
    vec![writer]
}

/// Signals against a wakeup of writers.
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

/// Signals against a wakeup of threads in poll(2) and kevent(2).
fn signal_waiter(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1]);
    let poller = start_poller(stage, "poller");
    start_signals(stage, &poller, false, &[Signal::USR1]);
    let kevent = start_kevent_reader(stage, "kevent", 0);
    start_signals(stage, &kevent, true, &[Signal::USR1]);
    vec![writer]
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
