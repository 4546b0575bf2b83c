//! poll(2) and epoll(7) on the mount.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::Test;
use crate::run::Run;

pub const TESTS: &[Test] = &[
    (
        "events::poll_returns_ready_events",
        poll_returns_ready_events,
    ),
    ("events::poll_wakes", poll_wakes),
    ("events::level_triggered", level_triggered),
    ("events::an_edge_for_each_change", an_edge_for_each_change),
    ("events::each_side_has_its_edges", each_side_has_its_edges),
    ("events::end_of_file_is_rdhup", end_of_file_is_rdhup),
    ("events::many_pollers", many_pollers),
];

fn found(file: &File, events: PollFlags, timeout: PollTimeout) -> PollFlags {
    let mut fds = [PollFd::new(file.as_fd(), events)];
    poll(&mut fds, timeout).unwrap();
    fds[0].revents().unwrap()
}

fn poll_returns_ready_events() {
    let run = Run::echodev();
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    let mut file = run.open(true, false, false);
    assert_eq!(
        found(&file, both, PollTimeout::ZERO),
        both,
        "idle: end of file, and room"
    );
    let mut writer = run.open(false, true, true);
    assert_eq!(found(&file, both, PollTimeout::ZERO), PollFlags::POLLOUT);
    assert_eq!(
        found(&file, PollFlags::POLLWRNORM, PollTimeout::ZERO),
        PollFlags::POLLWRNORM
    );
    writer.write_all(b"x").unwrap();
    assert_eq!(found(&file, both, PollTimeout::ZERO), both);
    assert_eq!(
        found(&file, PollFlags::POLLRDNORM, PollTimeout::ZERO),
        PollFlags::POLLRDNORM
    );
    assert_eq!(writer.write(&[0; 100]).unwrap(), 63);
    assert_eq!(found(&file, both, PollTimeout::ZERO), PollFlags::POLLIN);
    assert_eq!(file.read(&mut [0; 100]).unwrap(), 64);
    drop((file, writer));
    run.stop();
}

fn poll_wakes() {
    let run = Run::echodev();
    let mut writer = run.open(false, true, false);
    let mut reader = run.open(true, false, false);
    for _ in 0..100 {
        let watched = reader.try_clone().unwrap();
        let polling =
            std::thread::spawn(move || found(&watched, PollFlags::POLLIN, PollTimeout::NONE));
        writer.write_all(b"x").unwrap();
        assert_eq!(polling.join().unwrap(), PollFlags::POLLIN);
        reader.read_exact(&mut [0; 1]).unwrap();
    }
    let watched = reader.try_clone().unwrap();
    let polling = std::thread::spawn(move || found(&watched, PollFlags::POLLIN, PollTimeout::NONE));
    drop(writer);
    assert_eq!(polling.join().unwrap(), PollFlags::POLLIN, "end of file");
    drop(reader);
    run.stop();
}

/// The events of an epoll that has one file; empty if there are none within `timeout`.
fn wait(epoll: &Epoll, timeout: EpollTimeout) -> EpollFlags {
    let mut events = [EpollEvent::empty(); 4];
    let count = epoll.wait(&mut events, timeout).unwrap();
    events[..count]
        .iter()
        .fold(EpollFlags::empty(), |all, event| all | event.events())
}

fn watch(file: &File, flags: EpollFlags) -> Epoll {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
    epoll.add(file, EpollEvent::new(flags, 0)).unwrap();
    epoll
}

fn level_triggered() {
    let run = Run::echodev();
    let mut writer = run.open(false, true, false);
    let mut reader = run.open(true, false, false);
    let epoll = watch(&reader, EpollFlags::EPOLLIN);
    assert_eq!(wait(&epoll, EpollTimeout::ZERO), EpollFlags::empty());
    writer.write_all(b"xy").unwrap();
    for _ in 0..3 {
        assert_eq!(wait(&epoll, EpollTimeout::NONE), EpollFlags::EPOLLIN);
    }
    reader.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(wait(&epoll, EpollTimeout::ZERO), EpollFlags::empty());
    drop((epoll, reader, writer));
    run.stop();
}

/// As kevent(2) with `EV_CLEAR`: also for a change that makes nothing ready that was not so before.
fn an_edge_for_each_change() {
    let run = Run::echodev();
    let mut writer = run.open(false, true, false);
    let reader = run.open(true, false, false);
    let epoll = watch(&reader, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
    assert_eq!(wait(&epoll, EpollTimeout::ZERO), EpollFlags::empty());
    for _ in 0..50 {
        writer.write_all(b"x").unwrap();
        assert_eq!(wait(&epoll, EpollTimeout::NONE), EpollFlags::EPOLLIN);
        assert_eq!(wait(&epoll, EpollTimeout::ZERO), EpollFlags::empty());
    }
    drop((epoll, reader, writer));
    run.stop();
}

/// Events that are ready at first are one edge. After it, each side reports only its own changes.
fn each_side_has_its_edges() {
    let run = Run::echodev();
    let mut writer = run.open(false, true, true);
    let mut reader = run.open(true, false, true);
    let (in_side, out_side) = (run.open(true, false, false), run.open(true, false, false));
    let readable = watch(&in_side, EpollFlags::EPOLLIN | EpollFlags::EPOLLET);
    let writable = watch(&out_side, EpollFlags::EPOLLOUT | EpollFlags::EPOLLET);
    assert_eq!(wait(&readable, EpollTimeout::ZERO), EpollFlags::empty());
    assert_eq!(wait(&writable, EpollTimeout::ZERO), EpollFlags::EPOLLOUT);
    for _ in 0..50 {
        writer.write_all(b"x").unwrap();
        assert_eq!(wait(&readable, EpollTimeout::NONE), EpollFlags::EPOLLIN);
        assert_eq!(wait(&writable, EpollTimeout::ZERO), EpollFlags::empty());
        reader.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(wait(&writable, EpollTimeout::NONE), EpollFlags::EPOLLOUT);
        assert_eq!(wait(&readable, EpollTimeout::ZERO), EpollFlags::empty());
    }
    drop((readable, writable, in_side, out_side, reader, writer));
    run.stop();
}

fn end_of_file_is_rdhup() {
    let run = Run::echodev();
    let reader = run.open(true, false, false);
    let epoll = watch(&reader, EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP);
    let eof = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP;
    assert_eq!(wait(&epoll, EpollTimeout::ZERO), eof);
    let mut writer = run.open(false, true, false);
    assert_eq!(wait(&epoll, EpollTimeout::ZERO), EpollFlags::empty());
    writer.write_all(b"x").unwrap();
    assert_eq!(wait(&epoll, EpollTimeout::NONE), EpollFlags::EPOLLIN);
    drop(writer);
    assert_eq!(wait(&epoll, EpollTimeout::NONE), eof, "with bytes left");
    drop((epoll, reader));
    run.stop();
}

fn many_pollers() {
    let run = Run::echodev();
    let mut writer = run.open(false, true, false);
    let pollers: Vec<_> = (0..32)
        .map(|_| {
            let file = run.open(true, false, false);
            std::thread::spawn(move || found(&file, PollFlags::POLLIN, PollTimeout::NONE))
        })
        .collect();
    writer.write_all(b"x").unwrap();
    for poller in pollers {
        assert_eq!(poller.join().unwrap(), PollFlags::POLLIN);
    }
    drop(writer);
    run.stop();
}
