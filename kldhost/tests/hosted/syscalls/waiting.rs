//! Waiting in poll(2), select(2) and kevent(2), and the ends of a sleep.

use kldhost::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use kldhost::sync::{Arc, Duration};
use kldhost::*;

use super::Plain;

#[test]
fn poll_reports_bad_descriptors() {
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
        "from the driver"
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
fn a_watch_is_notified_once() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let notified = Arc::new(AtomicUsize::new(0));
    let count = notified.clone();
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
    assert_eq!(notified.load(SeqCst), 1);
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
    assert_eq!(notified.load(SeqCst), 1, "there is no watch");
}
