//! A plain C driver, which uses no code of this project. Normal use works, and its two faults are
//! reported.

use kldhost::sync::Duration;
use kldhost::{
    Config, EV_ADD, EV_EOF, EVFILT_READ, EVFILT_WRITE, Errno, FIONREAD, Kevent, O_NONBLOCK,
    O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLOUT, PollFd, SigAction, Signal, UserIn, UserMem,
};

use crate::common;

#[test]
fn bytes_go_through() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    assert_eq!(process.write(fd, b"hello"), Ok(5));
    let mut count = [0; 4];
    process.ioctl(fd, FIONREAD, &mut count).unwrap();
    assert_eq!(i32::from_ne_bytes(count), 5);
    let mut buf = [0; 8];
    assert_eq!(process.read(fd, &mut buf), Ok(5));
    assert_eq!(&buf, b"hello\0\0\0");
    assert_eq!(process.setfl(fd, O_NONBLOCK), Ok(()));
    assert_eq!(process.read(fd, &mut buf), Err(Errno::EWOULDBLOCK));
    process.close(fd).unwrap();
    kernel.kldunload(id).unwrap();
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks(), []);
}

#[test]
fn a_blocked_reader_is_woken_by_data_and_by_the_last_writers_close() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let writer = process.open("/dev/plain", O_WRONLY).unwrap();
    let reader = process.open("/dev/plain", O_RDONLY).unwrap();
    let read = move |process: &kldhost::Process| {
        let mut buf = vec![0; 8];
        process.read(reader, &mut buf).map(|n| buf[..n].to_vec())
    };
    let call = process.spawn(read);
    kernel.wait_asleep(process.pid(), "plainrd").unwrap();
    process.write(writer, b"abc").unwrap();
    assert_eq!(call.wait().unwrap(), Ok(b"abc".to_vec()));

    let call = process.spawn(read);
    kernel.wait_asleep(process.pid(), "plainrd").unwrap();
    process.close(writer).unwrap();
    assert_eq!(call.wait().unwrap(), Ok(Vec::new()));
}

#[test]
fn signals_interrupt_or_restart_a_blocked_reader() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    process
        .sigaction(Signal::USR1, SigAction::Handler { restart: true })
        .unwrap();
    process
        .sigaction(Signal::USR2, SigAction::Handler { restart: false })
        .unwrap();
    let call = process.spawn(move |process| process.read(fd, &mut [0; 8]));
    kernel.wait_asleep(process.pid(), "plainrd").unwrap();
    process.kill(Signal::USR1);
    let handled = |kernel: &kldhost::Kernel| {
        kernel.wait_threads(Duration::from_secs(10), |_| {
            process.handled(Signal::USR1) == 1
        })
    };
    handled(&kernel).unwrap();
    kernel.wait_asleep(process.pid(), "plainrd").unwrap();
    process.kill(Signal::USR2);
    assert_eq!(call.wait().unwrap(), Err(Errno::EINTR));
    assert_eq!(process.handled(Signal::USR2), 1);
}

#[test]
fn kill_ends_a_blocked_call_and_closes_the_descriptors() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    let call = process.spawn(move |process| process.read(fd, &mut [0; 8]));
    kernel.wait_asleep(process.pid(), "plainrd").unwrap();
    process.kill(Signal::KILL);
    assert_eq!(call.wait().unwrap(), Err(Errno::KILLED));
    // There is no writer: end of file.
    let other = kernel.process();
    let fd = other.open("/dev/plain", O_RDONLY).unwrap();
    assert_eq!(other.read(fd, &mut [0; 8]), Ok(0));
    kernel.kldunload(id).unwrap();
}

#[test]
fn poll_and_kevent_report_ready_sides() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    let mut fds = [PollFd::new(fd, POLLIN | POLLOUT)];
    assert_eq!(process.poll(&mut fds, 0), Ok(1));
    assert_eq!(fds[0].revents, POLLOUT);

    let call = process.spawn(move |process| {
        let mut fds = [PollFd::new(fd, POLLIN)];
        process.poll(&mut fds, -1).map(|_| fds[0].revents)
    });
    kernel.wait_asleep(process.pid(), "select").unwrap();
    process.write(fd, b"x").unwrap();
    assert_eq!(call.wait().unwrap(), Ok(POLLIN));

    let kq = process.kqueue().unwrap();
    let changes = [
        Kevent::new(fd, EVFILT_READ, EV_ADD),
        Kevent::new(fd, EVFILT_WRITE, EV_ADD),
    ];
    let mut events = [Kevent::default(); 4];
    assert_eq!(
        process.kevent(kq, &changes, &mut events, Some(Duration::ZERO)),
        Ok(2)
    );
    assert_eq!((events[0].filter, events[0].data), (EVFILT_READ, 1));
    assert_eq!((events[1].filter, events[1].data), (EVFILT_WRITE, 63));
    process.close(kq).unwrap();

    let reader = process.open("/dev/plain", O_RDONLY).unwrap();
    let kq = process.kqueue().unwrap();
    process
        .kevent(
            kq,
            &[Kevent::new(reader, EVFILT_READ, EV_ADD)],
            &mut [],
            None,
        )
        .unwrap();
    process.read(fd, &mut [0; 1]).unwrap();
    let call = process.spawn(move |process| {
        let mut events = [Kevent::default(); 1];
        process
            .kevent(kq, &[], &mut events, None)
            .map(|_| events[0])
    });
    kernel.wait_asleep(process.pid(), "kqread").unwrap();
    process.close(fd).unwrap();
    let event = call.wait().unwrap().unwrap();
    assert_eq!(
        (event.filter, event.flags & EV_EOF, event.data),
        (EVFILT_READ, EV_EOF, 0)
    );
}

#[test]
fn unload_with_a_knote_attached_is_reported() {
    let (kernel, id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    let kq = process.kqueue().unwrap();
    process
        .kevent(kq, &[Kevent::new(fd, EVFILT_READ, EV_ADD)], &mut [], None)
        .unwrap();
    assert_eq!(kernel.kldunload(id), Err(Errno::PANICKED));
    let report = kernel.panic_report().unwrap();
    assert_eq!(report.call, "knlist_destroy");
    assert_eq!(report.message, "destroying knlist with knotes on it");
    assert_eq!(report.object.as_deref(), Some("plain"));
}

#[test]
fn a_write_that_ignores_efault_is_reported() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    assert_eq!(process.write(fd, UserIn::unmapped(8)), Err(Errno::PANICKED));
    let report = kernel.panic_report().unwrap();
    assert_eq!(report.call, "uiomove");
    assert!(
        report.message.contains("the module ignores EFAULT"),
        "{report}"
    );
    assert_eq!(report.syscall, "write");
    assert!(report.place.unwrap().starts_with("plain.ko: plain_write+"));
}

#[test]
fn a_read_may_fault_at_any_byte() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    for good in 0..8 {
        process.write(fd, b"12345678").unwrap();
        let memory = UserMem::new(good);
        assert_eq!(
            process.read(fd, memory.out(..8)),
            Err(Errno::EFAULT),
            "{good} good bytes"
        );
        let mut buf = [0; 9];
        assert_eq!(process.read(fd, &mut buf), Ok(8), "nothing was lost");
        assert_eq!(&buf, b"12345678\0");
    }
}

#[test]
fn revoke_closes_without_the_writers_flag() {
    let (kernel, _id) = common::boot("plain", Config::default());
    let process = kernel.process();
    let fd = process.open("/dev/plain", O_RDWR).unwrap();
    process.revoke("/dev/plain").unwrap();
    assert_eq!(process.write(fd, b"x"), Err(Errno::EIO));
    assert_eq!(process.ioctl(fd, FIONREAD, &mut [0; 4]), Err(Errno::ENOTTY));
    assert_eq!(process.close(fd), Ok(()));
    // This driver counts by the flag, so its writer is never uncounted: a reader waits.
    let fd = process.open("/dev/plain", O_RDONLY | O_NONBLOCK).unwrap();
    assert_eq!(process.read(fd, &mut [0; 1]), Err(Errno::EWOULDBLOCK));
}
