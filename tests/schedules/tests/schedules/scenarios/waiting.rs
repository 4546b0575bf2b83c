//! Scenarios with poll(2) and kevent(2).

use kldhost_shuttle::sync::fail;
use kldhost_shuttle::*;

use super::{start_reader, start_writer};
use crate::roles::*;
use crate::stage::{Side, Stage};

/// Threads that enter poll(2), while others cause the events.
pub fn poll_against_events(stage: &Stage) -> Vec<(Process, Fd)> {
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
pub fn kevent_against_events(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 1", 1, &[2]);
    let (process, fd) = stage.writer(O_NONBLOCK);
    stage.wants(&process, Side::Write);
    let theirs = process.clone();
    stage.spawn("kevent writer", move |stage| {
        kevent_and_write(stage, &theirs, fd, 0, 2, EV_CLEAR)
    });
    start_kevent_reader(stage, "kevent 0", 0);
    start_kevent_reader(stage, "kevent 1", EV_CLEAR);
    start_kevent_reader(stage, "kevent 2", EV_ONESHOT);
    vec![(process, fd), writer]
}

/// Two threads that wait on one kqueue.
pub fn kqueue_of_two(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[2, 1]);
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let kq = match kqueue(stage, &process, fd, EVFILT_READ, 0) {
        Ok(Some(kq)) => kq,
        other => fail(format!("no kqueue: {other:?}")),
    };
    for name in ["kevent 0", "kevent 1"] {
        let process = process.clone();
        stage.spawn(name, move |stage| {
            wait_and_read(stage, &process, fd, kq, &[])
        });
    }
    vec![writer]
}

/// The kqueue of a waiting thread is reported, as procstat(1) does. Nothing else happens, except
/// unloading. The kernel skips a knote that is being reported, so a change of the device could be
/// missed.
pub fn report_of_a_waiter(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = stage.writer(0);
    let waiters = ["kevent 0", "kevent 1"].into_iter().zip([0, EV_CLEAR]);
    for (name, flags) in waiters {
        let pid = start_kevent_reader(stage, name, flags).pid();
        stage.start_report(pid);
    }
    vec![writer]
}

/// A thread that reads, and waits in poll(2).
pub fn start_poller(stage: &Stage, name: &str) -> Process {
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let theirs = process.clone();
    stage.spawn(name, move |stage| poll_and_read(stage, &theirs, fd));
    process
}

/// A thread that reads, and waits in kevent(2).
pub fn start_kevent_reader(stage: &Stage, name: &str, flags: u16) -> Process {
    let (process, fd) = stage.reader(O_NONBLOCK);
    stage.wants(&process, Side::Read);
    let theirs = process.clone();
    stage.spawn(name, move |stage| {
        kevent_and_read(stage, &theirs, fd, flags)
    });
    process
}

/// Everything is revoked while threads wait for a byte, or are about to.
pub fn revoke_against_waiters(stage: &Stage) -> Vec<(Process, Fd)> {
    let writer = start_writer(stage, "writer 0", 0, &[1, 1, 1]);
    start_reader(stage, "reader 0", 1);
    start_reader(stage, "reader 1", 1);
    start_poller(stage, "poller");
    start_kevent_reader(stage, "kevent", 0);
    let revoker = writer.0.clone();
    stage.spawn("revoke", move |stage| stage.revoke(&revoker));
    vec![writer]
}
