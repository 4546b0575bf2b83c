//! The rules of the system-call layer, on a plain C driver.

mod common;

use kldhost::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use kldhost::sync::{Arc, Duration};
use kldhost::*;

struct Plain {
    kernel: Kernel,
    id: KldId,
    process: Process,
}

impl Plain {
    fn new() -> Plain {
        let (kernel, id) = common::boot("plain", Config::default());
        let process = kernel.process();
        Plain {
            kernel,
            id,
            process,
        }
    }

    fn open(&self, flags: i32) -> Fd {
        self.process.open("/dev/plain", flags).expect("open")
    }

    /// Applies a change, then takes the events that are there.
    fn kevent(&self, kq: Fd, changes: &[Kevent]) -> Vec<Kevent> {
        let mut events = [Kevent::default(); 8];
        let n = self
            .process
            .kevent(kq, changes, &mut events, Some(Duration::ZERO))
            .expect("kevent");
        events[..n].to_vec()
    }
}

#[test]
fn open_refuses_what_devfs_does_not_do() {
    let plain = Plain::new();
    let open = |path, flags| plain.process.open(path, flags);
    assert_eq!(open("/dev/plane", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open("plain", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open("/dev/plane", O_RDWR | O_CREAT), Err(Errno::EOPNOTSUPP));
    assert_eq!(
        open("/dev/plain", O_RDWR | O_CREAT | O_EXCL),
        Err(Errno::EEXIST)
    );
    assert_eq!(open("/dev/plain", O_DIRECTORY), Err(Errno::ENOTDIR));
    assert_eq!(open("/dev/plain", O_ACCMODE), Err(Errno::EINVAL));
    assert_eq!(open("/dev/plain", O_WRONLY | O_CREAT | O_TRUNC), Ok(0));
}

#[test]
fn descriptors_share_their_description() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let dup = plain.process.dup(fd).unwrap();
    let child = plain.process.fork().unwrap();
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR));
    child.setfl(fd, O_NONBLOCK).unwrap();
    assert_eq!(plain.process.getfl(dup), Ok(O_RDWR | O_NONBLOCK));
    // d_close comes with the last of them: until then there is a writer.
    plain.process.close(fd).unwrap();
    plain.process.close(dup).unwrap();
    let reader = plain.open(O_RDONLY | O_NONBLOCK);
    assert_eq!(
        plain.process.read(reader, &mut [0; 1]),
        Err(Errno::EWOULDBLOCK)
    );
    drop(child);
    assert_eq!(plain.process.read(reader, &mut [0; 1]), Ok(0));
}

#[test]
fn dup2_closes_what_was_there() {
    let plain = Plain::new();
    let (writer, reader) = (plain.open(O_RDWR), plain.open(O_RDONLY | O_NONBLOCK));
    assert_eq!(plain.process.dup2(writer, writer), Ok(writer));
    assert_eq!(plain.process.dup2(reader, writer), Ok(writer));
    assert_eq!(
        plain.process.read(reader, &mut [0; 1]),
        Ok(0),
        "no writer is left"
    );
    assert_eq!(plain.process.dup2(reader, 99), Ok(99));
    assert_eq!(plain.process.dup2(98, 1), Err(Errno::EBADF));
    assert_eq!(plain.process.dup2(reader, -1), Err(Errno::EBADF));
    assert_eq!(plain.process.dup(98), Err(Errno::EBADF));
}

#[test]
fn setfl_is_half_done_when_async_is_refused() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    assert_eq!(
        plain.process.setfl(fd, O_ASYNC | O_NONBLOCK),
        Err(Errno::EINVAL)
    );
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_ASYNC));
    assert_eq!(plain.process.setfl(fd, O_APPEND), Ok(()));
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_APPEND));
}

#[test]
fn transfers_are_checked_before_the_device_sees_them() {
    let plain = Plain::new();
    let (reader, writer) = (plain.open(O_RDONLY), plain.open(O_WRONLY));
    let process = &plain.process;
    assert_eq!(process.write(reader, b"x"), Err(Errno::EBADF));
    assert_eq!(process.read(writer, &mut [0; 1]), Err(Errno::EBADF));
    assert_eq!(process.read(77, &mut [0; 1]), Err(Errno::EBADF));
    assert_eq!(process.read(reader, &mut []), Ok(0));
    assert_eq!(
        process.read(reader, UserOut::unmapped(1 << 31)),
        Err(Errno::EINVAL)
    );
    let many: Vec<UserIn<'_>> = vec![b"x".into(); 1025];
    assert_eq!(process.writev(writer, &many), Err(Errno::EINVAL));
    assert_eq!(process.writev(writer, &many[..64]), Ok(64));
    let kq = process.kqueue().unwrap();
    assert_eq!(process.read(kq, &mut [0; 1]), Err(Errno::EOPNOTSUPP));
    assert_eq!(process.pread(kq, &mut [0; 1], 0), Err(Errno::ESPIPE));
}

#[test]
fn a_signal_after_part_of_the_data_gives_a_short_count() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    plain
        .process
        .sigaction(Signal::ALRM, SigAction::Handler { restart: true })
        .unwrap();
    let call = plain
        .process
        .spawn(move |process| process.write(fd, &[7; 100]));
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "plainwr")
        .unwrap();
    plain.process.kill(Signal::ALRM);
    assert_eq!(call.wait().unwrap(), Ok(64));
}

#[test]
fn ioctl_copies_by_the_encoded_size() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let ioctl = |request, data: &mut [u8]| plain.process.ioctl(fd, request, data);
    assert_eq!(
        ioctl(0x1234, &mut [0; 4]),
        Err(Errno::ENOTTY),
        "no direction"
    );
    assert_eq!(
        ioctl(0x4000_667f, &mut [0; 4]),
        Err(Errno::ENOTTY),
        "no size"
    );
    assert_eq!(ioctl(FIONREAD, &mut [0; 3]), Err(Errno::EFAULT));
    let mut data = [0xff; 8];
    assert_eq!(ioctl(FIONREAD, &mut data), Ok(()));
    assert_eq!(data, [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(ioctl(FIODTYPE, &mut data), Ok(()));
    let memory = UserMem::new(8);
    let mut arg = [0; 16];
    arg[..4].copy_from_slice(&6_i32.to_ne_bytes());
    arg[8..].copy_from_slice(&memory.addr().to_ne_bytes());
    assert_eq!(ioctl(FIODGNAME, &mut arg), Ok(()));
    assert_eq!(&memory.load()[..6], b"plain\0");
    arg[0] = 5;
    assert_eq!(ioctl(FIODGNAME, &mut arg), Err(Errno::EINVAL));
    assert_eq!(
        plain.process.ioctl(fd, FIONBIO, &mut 1_i32.to_ne_bytes()),
        Ok(())
    );
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_NONBLOCK));
}

#[test]
fn poll_tells_of_bad_descriptors() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let mut fds = [
        PollFd::new(55, POLLIN),
        PollFd::new(-1, POLLIN),
        PollFd::new(fd, POLLIN),
    ];
    assert_eq!(plain.process.poll(&mut fds, -1), Ok(1));
    assert_eq!(fds.map(|fd| fd.revents), [POLLNVAL, 0, 0]);
    assert_eq!(plain.process.poll(&mut fds[1..], 10), Ok(0));
    assert_eq!(plain.process.poll(&mut fds, -2), Err(Errno::EINVAL));
    let kq = plain.process.kqueue().unwrap();
    let mut fds = [PollFd::new(kq, POLLIN)];
    assert_eq!(plain.process.poll(&mut fds, 0), Ok(0));
    plain
        .process
        .kevent(kq, &[Kevent::new(fd, EVFILT_WRITE, EV_ADD)], &mut [], None)
        .unwrap();
    assert_eq!(plain.process.poll(&mut fds, 0), Ok(1));
}

#[test]
fn select_sets_what_is_ready() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let (mut read, mut write) = (FdSet::of(&[fd]), FdSet::of(&[fd]));
    let select = |nfds, read: &mut FdSet, write: &mut FdSet| {
        plain.process.select(
            nfds,
            Some(read),
            Some(write),
            None,
            Some(Duration::from_millis(1)),
        )
    };
    assert_eq!(select(fd + 1, &mut read, &mut write), Ok(1));
    assert_eq!((read, write), (FdSet::EMPTY, FdSet::of(&[fd])));
    let mut bad = FdSet::of(&[33]);
    assert_eq!(select(34, &mut bad, &mut write), Err(Errno::EBADF));
    assert_eq!(select(-1, &mut read, &mut write), Err(Errno::EINVAL));
    let mut read = FdSet::of(&[fd]);
    assert_eq!(
        select(fd + 1, &mut read, &mut FdSet::EMPTY.clone()),
        Ok(0),
        "timeout"
    );
    assert_eq!(read, FdSet::EMPTY);
    let sleeper = plain.process.spawn(move |process| {
        let mut read = FdSet::of(&[fd]);
        process
            .select(fd + 1, Some(&mut read), None, None, None)
            .map(|n| (n, read.contains(fd)))
    });
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "select")
        .unwrap();
    plain.process.write(fd, b"x").unwrap();
    assert_eq!(sleeper.wait().unwrap(), Ok((1, true)));
}

#[test]
fn kevent_flags() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let kq = plain.process.kqueue().unwrap();
    let write = |flags| [Kevent::new(fd, EVFILT_WRITE, flags)];
    // Level-triggered, until deleted.
    assert_eq!(plain.kevent(kq, &write(EV_ADD)).len(), 1);
    assert_eq!(plain.kevent(kq, &[])[0].data, 64);
    assert_eq!(plain.kevent(kq, &write(EV_DELETE)), []);
    let gone = plain.kevent(kq, &write(EV_DELETE));
    assert_eq!(
        (gone[0].flags, gone[0].data),
        (EV_ERROR, i64::from(Errno::ENOENT.0))
    );
    // Reported once, then dropped.
    assert_eq!(plain.kevent(kq, &write(EV_ADD | EV_ONESHOT)).len(), 1);
    assert_eq!(plain.kevent(kq, &[]), []);
    assert_eq!(
        plain.kevent(kq, &write(EV_ENABLE))[0].data,
        i64::from(Errno::ENOENT.0)
    );
    // Reported on each change.
    assert_eq!(plain.kevent(kq, &write(EV_ADD | EV_CLEAR)).len(), 1);
    assert_eq!(plain.kevent(kq, &[]), []);
    plain.process.write(fd, b"x").unwrap();
    plain.process.read(fd, &mut [0; 1]).unwrap();
    assert_eq!(plain.kevent(kq, &[]).len(), 1);
    plain.kevent(kq, &write(EV_DELETE));
    // Disabled by the report.
    assert_eq!(plain.kevent(kq, &write(EV_ADD | EV_DISPATCH)).len(), 1);
    assert_eq!(plain.kevent(kq, &[]), []);
    assert_eq!(plain.kevent(kq, &write(EV_ENABLE)).len(), 1);
    plain.kevent(kq, &write(EV_DELETE));
    // Disabled and enabled.
    assert_eq!(plain.kevent(kq, &write(EV_ADD | EV_DISABLE)), []);
    assert_eq!(plain.kevent(kq, &write(EV_ENABLE)).len(), 1);
    assert_eq!(plain.kevent(kq, &write(EV_DISABLE)), []);
    // A receipt instead of events.
    let receipt = plain.kevent(kq, &write(EV_ADD | EV_RECEIPT | EV_ENABLE));
    assert_eq!(
        (receipt.len(), receipt[0].flags, receipt[0].data),
        (1, EV_ERROR, 0)
    );
}

#[test]
fn kevent_errors() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let kq = plain.process.kqueue().unwrap();
    let change = |change: Kevent| plain.process.kevent(kq, &[change], &mut [], None);
    assert_eq!(
        change(Kevent::new(66, EVFILT_READ, EV_ADD)),
        Err(Errno::EBADF)
    );
    assert_eq!(
        change(Kevent::new(fd, EVFILT_READ, EV_ENABLE | EV_DISABLE)),
        Err(Errno::EINVAL)
    );
    assert_eq!(change(Kevent::new(fd, 5, EV_ADD)), Err(Errno::EINVAL));
    assert_eq!(
        change(Kevent::new(fd, -4, EV_ADD)),
        Err(Errno::EINVAL),
        "the driver says so"
    );
    assert_eq!(
        change(Kevent::new(fd, EVFILT_READ, EV_DELETE)),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        plain.process.kevent(fd, &[], &mut [], None),
        Err(Errno::EBADF)
    );
    // Closing the descriptor drops its knotes.
    change(Kevent::new(fd, EVFILT_WRITE, EV_ADD)).unwrap();
    plain.process.close(fd).unwrap();
    assert_eq!(plain.kevent(kq, &[]), []);
    // A child has no kqueue.
    let child = plain.process.fork().unwrap();
    assert_eq!(child.kevent(kq, &[], &mut [], None), Err(Errno::EBADF));
    plain.kernel.kldunload(plain.id).unwrap();
    assert_eq!(plain.kernel.panic_report(), None);
}

#[test]
fn sleeping_calls_can_be_interrupted_one_by_one() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let token = Interrupt::new();
    token.interrupt();
    let read = |process: &Process| process.read(fd, &mut [0; 1]);
    assert_eq!(
        plain.process.interruptible(&token, read),
        Err(Errno::EINTR),
        "before it began"
    );
    let (theirs, other) = (token.clone(), Interrupt::new());
    let call = plain
        .process
        .spawn(move |process| process.interruptible(&theirs, |p| p.read(fd, &mut [0; 1])));
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "plainrd")
        .unwrap();
    other.interrupt();
    token.interrupt();
    assert_eq!(call.wait().unwrap(), Err(Errno::EINTR));
    plain.process.write(fd, b"x").unwrap();
    assert_eq!(
        plain.process.interruptible(&token, read),
        Ok(1),
        "it is used up"
    );
}

#[test]
fn a_watch_is_told_once() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let notify = Arc::new(move || {
        count.fetch_add(1, SeqCst);
    });
    let (events, watch) = plain
        .process
        .poll_watch(fd, POLLIN, notify.clone())
        .unwrap();
    assert_eq!(events, 0);
    plain.process.write(fd, b"x").unwrap();
    plain.process.write(fd, b"x").unwrap();
    assert_eq!(told.load(SeqCst), 1);
    drop(watch);
    let (events, _watch) = plain
        .process
        .poll_watch(fd, POLLIN, notify.clone())
        .unwrap();
    assert_eq!(events, POLLIN);
    plain.process.read(fd, &mut [0; 2]).unwrap();
    let (events, watch) = plain.process.poll_watch(fd, POLLIN, notify).unwrap();
    assert_eq!(events, 0);
    drop(watch);
    plain.process.write(fd, b"x").unwrap();
    assert_eq!(told.load(SeqCst), 1, "nobody watches");
}

#[test]
fn signals_outside_of_calls_and_the_end() {
    let plain = Plain::new();
    let process = &plain.process;
    process.kill(Signal::CHLD);
    process.sigaction(Signal::USR1, SigAction::Ignore).unwrap();
    process.kill(Signal::USR1);
    process
        .sigaction(Signal::USR1, SigAction::Handler { restart: false })
        .unwrap();
    process.kill(Signal::USR1);
    assert_eq!(process.handled(Signal::USR1), 1);
    assert_eq!(
        process.sigaction(Signal::KILL, SigAction::Ignore),
        Err(Errno::EINVAL)
    );
    assert_eq!(process.exit_status(), None);
    let fd = plain.open(O_RDWR);
    process.kill(Signal::TERM);
    assert_eq!(
        process.exit_status(),
        Some(ExitStatus::Signaled(Signal::TERM))
    );
    assert_eq!(process.write(fd, b"x"), Err(Errno::KILLED));
    let other = plain.kernel.process();
    let fd = other.open("/dev/plain", O_RDONLY).unwrap();
    assert_eq!(other.read(fd, &mut [0; 1]), Ok(0), "its writer is closed");
    other.exit();
    assert_eq!(other.exit_status(), Some(ExitStatus::Exited));
}

#[test]
fn kldload_checks_the_file() {
    let file = common::module("plain", Release::default());
    let old = Kernel::new(Config {
        release: Release::V14_0,
        ..Config::default()
    });
    let error = old.kldload(&file).expect_err("it is for 15");
    assert_eq!(error.errno(), Errno::ENOEXEC);
    assert_eq!(
        old.console(),
        ["KLD plain.ko: depends on kernel - not available or version mismatch"]
    );
    let later = Kernel::new(Config {
        release: Release::V15_1,
        ..Config::default()
    });
    let id = later.kldload(&file).unwrap();
    assert_eq!(
        later.kldload(&file).expect_err("it is there").errno(),
        Errno::EEXIST
    );
    let bytes = std::fs::read(&file).unwrap();
    let again = later
        .kldload_bytes("other.ko", &bytes)
        .expect_err("its module is there");
    assert_eq!(again.errno(), Errno::EEXIST);
    later.kldunload(id).unwrap();
    assert_eq!(later.kldunload(id), Err(Errno::ENOENT));
    assert_eq!(
        later
            .kldload("/no/such/file.ko".as_ref())
            .expect_err("not there")
            .errno(),
        Errno::ENOENT
    );
    assert_eq!(
        later
            .kldload_bytes("x.ko", b"text")
            .expect_err("not ELF")
            .errno(),
        Errno::ENOEXEC
    );
}

#[test]
fn unload_waits_for_those_inside() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let reader = plain
        .process
        .spawn(move |process| process.read(fd, &mut [0; 1]));
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "plainrd")
        .unwrap();
    plain.kernel.kldunload(plain.id).unwrap();
    assert_eq!(reader.wait().unwrap(), Err(Errno::ENXIO));
    assert_eq!(plain.process.read(fd, &mut [0; 1]), Err(Errno::EIO));
    assert_eq!(
        plain.process.ioctl(fd, FIONREAD, &mut [0; 4]),
        Err(Errno::ENXIO)
    );
    let mut fds = [PollFd::new(fd, POLLIN | POLLOUT)];
    assert_eq!(plain.process.poll(&mut fds, -1), Ok(1));
    assert_eq!(fds[0].revents, POLLIN | POLLHUP);
    let kq = plain.process.kqueue().unwrap();
    let add = [Kevent::new(fd, EVFILT_READ, EV_ADD)];
    assert_eq!(
        plain.process.kevent(kq, &add, &mut [], None),
        Err(Errno::ENXIO)
    );
    // The next lookup in /dev lets go of the vnode.
    assert_eq!(
        plain.process.open("/dev/plain", O_RDONLY),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        plain.process.ioctl(fd, FIONREAD, &mut [0; 4]),
        Err(Errno::ENOTTY)
    );
    assert_eq!(plain.process.close(fd), Ok(()));
    assert_eq!(plain.kernel.panic_report(), None);
}
