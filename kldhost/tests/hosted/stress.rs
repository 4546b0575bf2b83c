//! Many threads at once: no byte and no wakeup is lost, and unload completes.

use kldhost::sync::Duration;
use kldhost::{
    Call, Config, EV_ADD, EV_CLEAR, EVFILT_READ, EVFILT_WRITE, Errno, Kernel, Kevent, O_NONBLOCK,
    O_RDONLY, O_WRONLY, POLLIN, POLLOUT, PollFd, Process, Release,
};

use crate::common;

/// Bytes that each writer writes.
const SHARE: usize = 4096;
const WRITERS: usize = 8;

/// Starts the writers; each closes its descriptor at the end.
fn start_writers(
    process: &Process,
    write: fn(&Process, i32, u8) -> Result<(), Errno>,
) -> Vec<Call<Result<(), Errno>>> {
    let fds: Vec<i32> = (0..WRITERS)
        .map(|_| process.open("/dev/plain", O_WRONLY | O_NONBLOCK).unwrap())
        .collect();
    let start = |(n, fd): (usize, i32)| {
        process.spawn(move |process| {
            write(process, fd, n as u8)?;
            process.close(fd)
        })
    };
    fds.into_iter().enumerate().map(start).collect()
}

/// Every writer's bytes must have arrived, with the right count.
fn check(kernel: &Kernel, counts: Vec<[usize; WRITERS]>, writers: Vec<Call<Result<(), Errno>>>) {
    for writer in writers {
        assert_eq!(writer.wait().unwrap(), Ok(()));
    }
    for n in 0..WRITERS {
        assert_eq!(
            counts.iter().map(|counts| counts[n]).sum::<usize>(),
            SHARE,
            "bytes of writer {n}"
        );
    }
    assert_eq!(kernel.panic_report(), None);
}

fn count(counts: &mut [usize; WRITERS], bytes: &[u8]) {
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
}

#[test]
fn blocking_readers_and_writers() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let writers = start_writers(&process, |process, fd, n| {
        process.setfl(fd, 0)?;
        assert_eq!(process.write(fd, &vec![n; SHARE])?, SHARE);
        Ok(())
    });
    let read = |process: &Process| {
        let fd = process.open("/dev/plain", O_RDONLY)?;
        let mut counts = [0; WRITERS];
        let mut buf = [0; 50];
        loop {
            match process.read(fd, &mut buf)? {
                0 => break,
                n => count(&mut counts, &buf[..n]),
            }
        }
        process.close(fd)?;
        Ok::<_, Errno>(counts)
    };
    let readers: Vec<_> = (0..8).map(|_| process.spawn(read)).collect();
    let counts = readers
        .into_iter()
        .map(|reader| reader.wait().unwrap().unwrap())
        .collect();
    check(&kernel, counts, writers);
    kernel.kldunload(id).unwrap();
    assert_eq!(kernel.leaks(), []);
}

#[test]
fn polling_readers_and_writers() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let writers = start_writers(&process, |process, fd, n| {
        let mut left = SHARE;
        while left > 0 {
            match process.write(fd, &vec![n; left.min(100)]) {
                Ok(n) => left -= n,
                Err(Errno::EWOULDBLOCK) => drop(process.poll(&mut [PollFd::new(fd, POLLOUT)], -1)?),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    });
    let read = |process: &Process| {
        let fd = process.open("/dev/plain", O_RDONLY | O_NONBLOCK)?;
        let mut counts = [0; WRITERS];
        let mut buf = [0; 50];
        loop {
            match process.read(fd, &mut buf) {
                Ok(0) => return Ok::<_, Errno>(counts),
                Ok(n) => count(&mut counts, &buf[..n]),
                Err(Errno::EWOULDBLOCK) => drop(process.poll(&mut [PollFd::new(fd, POLLIN)], -1)?),
                Err(error) => return Err(error),
            }
        }
    };
    let readers: Vec<_> = (0..4).map(|_| process.spawn(read)).collect();
    let counts = readers
        .into_iter()
        .map(|reader| reader.wait().unwrap().unwrap())
        .collect();
    check(&kernel, counts, writers);
    process.exit();
    kernel.kldunload(id).unwrap();
}

#[test]
fn readers_and_writers_on_kqueues() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    /// Waits for one event on its own kqueue.
    fn wait(process: &Process, kq: i32) -> Result<(), Errno> {
        let mut events = [Kevent::default(); 1];
        process.kevent(kq, &[], &mut events, None).map(drop)
    }
    let writers = start_writers(&process, |process, fd, n| {
        let kq = process.kqueue()?;
        process.kevent(kq, &[Kevent::new(fd, EVFILT_WRITE, EV_ADD)], &mut [], None)?;
        let mut left = SHARE;
        while left > 0 {
            match process.write(fd, &vec![n; left.min(100)]) {
                Ok(n) => left -= n,
                Err(Errno::EWOULDBLOCK) => wait(process, kq)?,
                Err(error) => return Err(error),
            }
        }
        process.close(kq)
    });
    let read = |process: &Process| {
        let fd = process.open("/dev/plain", O_RDONLY | O_NONBLOCK)?;
        let kq = process.kqueue()?;
        process.kevent(
            kq,
            &[Kevent::new(fd, EVFILT_READ, EV_ADD | EV_CLEAR)],
            &mut [],
            None,
        )?;
        let mut counts = [0; WRITERS];
        let mut buf = [0; 50];
        loop {
            match process.read(fd, &mut buf) {
                Ok(0) => break,
                Ok(n) => count(&mut counts, &buf[..n]),
                Err(Errno::EWOULDBLOCK) => wait(process, kq)?,
                Err(error) => return Err(error),
            }
        }
        process.close(kq)?;
        Ok(counts)
    };
    let readers: Vec<_> = (0..4).map(|_| process.spawn(read)).collect();
    let counts = readers
        .into_iter()
        .map(|reader| reader.wait().unwrap().unwrap())
        .collect();
    check(&kernel, counts, writers);
    process.exit();
    kernel.kldunload(id).unwrap();
}

#[test]
fn unload_among_openers() {
    let (kernel, mut id) = common::boot("plain", Config::default());
    let file = common::module("plain", Release::default());
    let process = kernel.process();
    let open = |process: &Process| {
        let mut opened = 0;
        while opened < 200 {
            match process.open("/dev/plain", O_RDONLY | O_NONBLOCK) {
                Ok(fd) => {
                    opened += 1;
                    let read = process.read(fd, &mut [0; 4]);
                    assert!(matches!(read, Ok(0) | Err(Errno::EIO)), "{read:?}");
                    let closed = process.close(fd);
                    assert!(matches!(closed, Ok(()) | Err(Errno::ENXIO)), "{closed:?}");
                }
                Err(error) => assert!(matches!(error, Errno::ENOENT | Errno::ENXIO), "{error:?}"),
            }
        }
    };
    let openers: Vec<_> = (0..4).map(|_| process.spawn(open)).collect();
    while openers.iter().any(|opener| !opener.is_done()) {
        kernel
            .kldunload(id)
            .unwrap_or_else(|error| panic!("{error}: {:?}", kernel.panic_report()));
        id = kernel.kldload(&file).unwrap();
    }
    for opener in openers {
        opener.wait().unwrap();
    }
    assert_eq!(kernel.leaks(), []);
}

#[test]
fn a_thousand_loads_leave_nothing() {
    let kernel = Kernel::new(Config::default());
    let file = common::module("plain", Release::default());
    let process = kernel.process();
    for _ in 0..1000 {
        let id = kernel.kldload(&file).unwrap();
        let fd = process.open("/dev/plain", O_WRONLY).unwrap();
        process.write(fd, b"data").unwrap();
        process.close(fd).unwrap();
        kernel.kldunload(id).unwrap();
    }
    assert_eq!(kernel.leaks(), []);
    assert_eq!(kernel.threads(), []);
    assert_eq!(
        kernel.wait_threads(Duration::ZERO, |all| all.is_empty()),
        Ok(())
    );
}
