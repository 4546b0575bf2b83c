//! Each example of freebsd-kernel does what its first lines state, and unloads cleanly.

use super::boot;
use crate::common;
use kldhost::sync::Duration;
use kldhost::{
    Config, EV_ADD, EV_EOF, EVFILT_READ, Errno, Kernel, Kevent, KldId, O_NONBLOCK, O_RDONLY,
    O_RDWR, POLLHUP, POLLIN, PollFd, Process,
};

const DEV: &str = "/dev/example";
const EOVERFLOW: Errno = Errno(84);

fn load(name: &str) -> (Kernel, KldId, Process) {
    let (kernel, id) = common::boot(name, Config::default());
    let process = kernel.process();
    (kernel, id, process)
}

fn unload(kernel: &Kernel, id: KldId) {
    assert_eq!(kernel.kldunload(id), Ok(()));
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks(), []);
}

/// `_IOR` and `_IOW` of an `int` in group `X`, and `_IO`.
fn ior(number: u64) -> u64 {
    0x4004_5800 | number
}
fn iow(number: u64) -> u64 {
    0x8004_5800 | number
}
fn io(number: u64) -> u64 {
    0x2000_5800 | number
}

#[test]
fn make_dev() {
    let (kernel, id, process) = load("make_dev");
    let fd = process.open(DEV, O_RDWR).unwrap();
    assert_eq!(process.read(fd, &mut [0; 8]), Ok(0));
    assert_eq!(process.write(fd, b"x"), Err(Errno::ENODEV));
    unload(&kernel, id);
    assert_eq!(process.open(DEV, O_RDWR), Err(Errno::ENOENT));
}

#[test]
fn module() {
    let (kernel, id, _) = load("module");
    unload(&kernel, id);
    let file = common::module("module", Config::default().release);
    let tunables = vec![("hw.example.absent".into(), "1".into())];
    let kernel = Kernel::new(Config {
        tunables,
        ..Config::default()
    });
    assert!(kernel.kldload(&file).is_err());
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks(), []);
}

#[test]
fn getenv() {
    for (value, bytes) in [(0, 0), (3, 3), (64, 64), (65, 64)] {
        let (kernel, id) = boot("getenv", "count", value);
        let process = kernel.process();
        let fd = process.open(DEV, O_RDONLY).unwrap();
        assert_eq!(process.read(fd, &mut [0; 99]), Ok(bytes));
        let warnings = kernel.console();
        let warned = warnings
            .iter()
            .any(|line| line.contains("hw.example.count=65 is too large; using 64"));
        assert_eq!(warned, value == 65, "{warnings:?}");
        unload(&kernel, id);
    }
}

#[test]
fn errno() {
    let (kernel, id, process) = load("errno");
    let reader = process.open(DEV, O_RDONLY).unwrap();
    let writer = process.open(DEV, O_RDWR).unwrap();
    let set = |fd, number: u32| process.ioctl(fd, iow(1), &mut number.to_ne_bytes());
    assert_eq!(set(reader, 1), Err(Errno::EPERM));
    assert_eq!(set(writer, 255), Ok(()));
    assert_eq!(set(writer, 256), Err(EOVERFLOW));
    assert_eq!(process.ioctl(writer, io(9), &mut []), Err(Errno::ENOTTY));
    unload(&kernel, id);
}

#[test]
fn uio() {
    let (kernel, id, process) = load("uio");
    let fd = process.open(DEV, O_RDWR).unwrap();
    let mut line = [0; 13];
    assert_eq!(process.read(fd, &mut line), Ok(13));
    assert_eq!(&line, b"hello, world\n");
    let mut begin = [0; 5];
    assert_eq!(process.read(fd, &mut begin), Ok(5));
    assert_eq!(&begin, b"hello");
    assert_eq!(process.write(fd, &[0; 1000]), Ok(1000));
    unload(&kernel, id);
}

#[test]
fn malloc() {
    let (kernel, id, process) = load("malloc");
    let fd = process.open(DEV, O_RDWR).unwrap();
    for bytes in [&[7; 100][..], &[8; 3][..]] {
        assert_eq!(process.write(fd, bytes), Ok(bytes.len()));
        let mut got = [0; 200];
        assert_eq!(process.read(fd, &mut got), Ok(bytes.len()));
        assert_eq!(&got[..bytes.len()], bytes);
    }
    unload(&kernel, id);
}

#[test]
fn sx() {
    let (kernel, id, process) = load("sx");
    let calls: Vec<_> = (0..4)
        .map(|_| {
            process.spawn(|process| {
                let fd = process.open(DEV, O_RDWR).unwrap();
                (0..20).try_for_each(|_| process.write(fd, b"x").map(drop))
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.wait().unwrap(), Ok(()));
    }
    let fd = process.open(DEV, O_RDONLY).unwrap();
    let mut count = [0; 3];
    assert_eq!(process.read(fd, &mut count), Ok(3));
    assert_eq!(&count, b"80\n");
    unload(&kernel, id);
}

#[test]
fn sleep() {
    let (kernel, id, process) = load("sleep");
    let fd = process.open(DEV, O_RDWR).unwrap();
    let read = move |process: &Process| {
        let mut byte = [0];
        process.read(fd, &mut byte).map(|_| byte)
    };
    let call = process.spawn(read);
    kernel.wait_asleep(process.pid(), "mail").unwrap();
    assert_eq!(process.write(fd, b"a"), Ok(1));
    assert_eq!(call.wait().unwrap(), Ok(*b"a"));
    let nonblock = process.open(DEV, O_RDWR | O_NONBLOCK).unwrap();
    assert_eq!(process.read(nonblock, &mut [0]), Err(Errno::EWOULDBLOCK));
    let call = process.spawn(read);
    kernel.wait_asleep(process.pid(), "mail").unwrap();
    unload(&kernel, id);
    assert_eq!(call.wait().unwrap(), Err(Errno::ENXIO));
}

#[test]
fn selrecord() {
    let (kernel, id, process) = load("selrecord");
    let fd = process.open(DEV, O_RDWR).unwrap();
    let poll = move |process: &Process| {
        let mut fds = [PollFd::new(fd, POLLIN)];
        process.poll(&mut fds, -1).map(|_| fds[0].revents)
    };
    let call = process.spawn(poll);
    kernel.wait_asleep(process.pid(), "select").unwrap();
    assert_eq!(process.write(fd, b"x"), Ok(1));
    assert_eq!(call.wait().unwrap(), Ok(POLLIN));
    assert_eq!(process.read(fd, &mut [0]), Ok(0));
    let call = process.spawn(poll);
    kernel.wait_asleep(process.pid(), "select").unwrap();
    unload(&kernel, id);
    let revents = call.wait().unwrap().unwrap();
    assert_eq!(revents & POLLHUP, POLLHUP);
}

#[test]
fn kqueue() {
    let (kernel, id, process) = load("kqueue");
    let fd = process.open(DEV, O_RDWR).unwrap();
    let kq = process.kqueue().unwrap();
    let change = [Kevent::new(fd, EVFILT_READ, EV_ADD)];
    let mut events = [Kevent::default()];
    assert_eq!(
        process.kevent(kq, &change, &mut events, Some(Duration::ZERO)),
        Ok(0)
    );
    let kevent = move |process: &Process| {
        let mut events = [Kevent::default()];
        process
            .kevent(kq, &[], &mut events, None)
            .map(|_| events[0])
    };
    let call = process.spawn(kevent);
    kernel.wait_asleep(process.pid(), "kqread").unwrap();
    assert_eq!(process.write(fd, b"x"), Ok(1));
    assert_eq!(call.wait().unwrap().unwrap().data, 1);
    assert_eq!(process.read(fd, &mut [0]), Ok(0));
    let call = process.spawn(kevent);
    kernel.wait_asleep(process.pid(), "kqread").unwrap();
    unload(&kernel, id);
    let event = call.wait().unwrap().unwrap();
    let enxio = u32::try_from(Errno::ENXIO.0).unwrap();
    assert_eq!((event.flags & EV_EOF, event.fflags), (EV_EOF, enxio));
}

#[test]
fn devfs_set_cdevpriv() {
    let (kernel, id, process) = load("devfs_set_cdevpriv");
    let read = |fd| {
        let mut count = [0];
        process.read(fd, &mut count).map(|_| count[0])
    };
    let one = process.open(DEV, O_RDONLY).unwrap();
    let other = process.open(DEV, O_RDONLY).unwrap();
    assert_eq!([read(one), read(one), read(other)], [Ok(1), Ok(2), Ok(1)]);
    assert_eq!(process.open(DEV, O_RDONLY), Err(Errno::EBUSY));
    process.close(one).unwrap();
    let third = process.open(DEV, O_RDONLY).unwrap();
    assert_eq!(read(third), Ok(1));
    unload(&kernel, id);
}

#[test]
fn ioctl() {
    let (kernel, id, process) = load("ioctl");
    let fd = process.open(DEV, O_RDONLY).unwrap();
    let get = || {
        let mut number = [0; 4];
        process
            .ioctl(fd, ior(1), &mut number)
            .map(|()| u32::from_ne_bytes(number))
    };
    assert_eq!(get(), Ok(7));
    let mut number = 0x0123_4567_u32.to_ne_bytes();
    assert_eq!(process.ioctl(fd, iow(2), &mut number), Ok(()));
    assert_eq!(get(), Ok(0x0123_4567));
    assert_eq!(process.ioctl(fd, io(3), &mut []), Ok(()));
    assert_eq!(get(), Ok(0));
    unload(&kernel, id);
}
