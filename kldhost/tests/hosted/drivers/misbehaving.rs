//! A driver that misbehaves in safe code, `freebsd-kernel/tests/drivers/misbehaves.rs`. Each way
//! ends in a clean unload, in panic(9), or in a lock that stays held. None ends in a stray access.

use super::boot;
use kldhost::sync::Duration;
use kldhost::{
    EV_ADD, EVFILT_READ, Errno, Fd, Kernel, Kevent, KldId, O_RDWR, POLLIN, PollFd, Process, Report,
    Signal,
};

const DEV: &str = "/dev/example";
const NAME: &str = "misbehaves";

/// `_IOR('X', 1, u64)`, and `_IO('X', 2)`.
const COUNT: u64 = 0x4008_5801;
const CONFUSED: u64 = 0x2000_5802;

/// A kernel with a driver that misbehaves in this way.
fn misbehaving(way: usize) -> (Kernel, KldId, Process) {
    let (kernel, id) = boot(NAME, "way", way);
    let process = kernel.process();
    (kernel, id, process)
}

/// Uses every method of an open file, with a knote, a poll and a second open file.
fn use_all(process: &Process, fd: Fd) {
    let other = process.open(DEV, O_RDWR).unwrap();
    assert_eq!(process.write(other, b"x"), Ok(1));
    assert_eq!(process.read(fd, &mut [0; 4]), Ok(1));
    process.ioctl(fd, COUNT, &mut [0; 8]).unwrap();
    let mut fds = [PollFd::new(fd, POLLIN)];
    assert_eq!(process.poll(&mut fds, 1), Ok(0));
    let kq = process.kqueue().unwrap();
    let change = [Kevent::new(fd, EVFILT_READ, EV_ADD)];
    let mut events = [Kevent::default()];
    assert_eq!(
        process.kevent(kq, &change, &mut events, Some(Duration::ZERO)),
        Ok(1)
    );
    process.close(other).unwrap();
}

/// The panic of the kernel, which is panic(9), called by the driver or by the crate.
fn panicked(kernel: &Kernel) -> Report {
    let report = kernel.panic_report().expect("a panic");
    assert_eq!(report.call, "panic", "{report}");
    report
}

#[test]
fn counts_and_files_that_are_wrong_end_in_a_clean_unload() {
    const NEVER_COUNTS: usize = 1;
    const COUNTS_TWICE: usize = 2;
    const KEEPS_NOTHING: usize = 4;
    for way in [0, NEVER_COUNTS, COUNTS_TWICE, KEEPS_NOTHING] {
        for closes in [true, false] {
            let (kernel, id, process) = misbehaving(way);
            let fd = process.open(DEV, O_RDWR).unwrap();
            use_all(&process, fd);
            if closes {
                process.close(fd).unwrap();
            }
            assert_eq!(kernel.kldunload(id), Ok(()), "{way}");
            process.exit();
            assert_eq!(kernel.panic_report(), None, "{way}");
            assert_eq!(kernel.leaks(), [], "{way}");
        }
    }
}

#[test]
fn refused_opens_end_in_a_clean_unload() {
    const REFUSES_EVERY_OPEN: usize = 6;
    let (kernel, id, process) = misbehaving(REFUSES_EVERY_OPEN);
    for _ in 0..3 {
        assert_eq!(process.open(DEV, O_RDWR), Err(Errno::EBUSY));
    }
    assert_eq!(kernel.kldunload(id), Ok(()));
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks(), []);
}

#[test]
fn a_file_that_is_forgotten_is_a_leak() {
    const FORGETS_A_FILE: usize = 7;
    let (kernel, id, process) = misbehaving(FORGETS_A_FILE);
    let fd = process.open(DEV, O_RDWR).unwrap();
    use_all(&process, fd);
    process.close(fd).unwrap();
    assert_eq!(kernel.kldunload(id), Ok(()));
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks().len(), 1);
}

#[test]
fn a_panic_in_a_method_is_panic_9() {
    const PANICS: usize = 5;
    let (kernel, _id, process) = misbehaving(PANICS);
    let fd = process.open(DEV, O_RDWR).unwrap();
    assert_eq!(process.read(fd, &mut [0]), Err(Errno::PANICKED));
    let report = panicked(&kernel);
    assert!(report.message.contains("as it should not"), "{report}");
}

#[test]
fn an_argument_of_another_type_is_panic_9() {
    const CONFUSES_AN_ARGUMENT: usize = 10;
    let (kernel, _id, process) = misbehaving(CONFUSES_AN_ARGUMENT);
    let fd = process.open(DEV, O_RDWR).unwrap();
    let confused = process.ioctl(fd, CONFUSED, &mut []);
    assert_eq!(confused, Err(Errno::PANICKED));
    panicked(&kernel);
}

/// The debug kernel reports the misuse before panic(9) of the crate or of the kernel would.
#[test]
fn a_misuse_of_a_lock_or_of_select_is_reported() {
    const FORGETS_A_GUARD: usize = 3;
    const RECORDS_TOO_OFTEN: usize = 9;
    const LOCKS_TWICE: usize = 11;
    for (way, call) in [
        (FORGETS_A_GUARD, "d_read"),
        (RECORDS_TOO_OFTEN, "selrecord"),
        (LOCKS_TWICE, "_sx_xlock"),
    ] {
        let (kernel, _id, process) = misbehaving(way);
        let fd = process.open(DEV, O_RDWR).unwrap();
        let result = if way == RECORDS_TOO_OFTEN {
            process.poll(&mut [PollFd::new(fd, POLLIN)], 1)
        } else {
            process.read(fd, &mut [0])
        };
        assert_eq!(result, Err(Errno::PANICKED), "{way}");
        let report = kernel.panic_report().expect("a report");
        assert_eq!(report.call, call, "{report}");
    }
}

/// The unload waits for the thread, which a signal ends.
#[test]
fn a_sleep_while_the_device_is_going_away_delays_the_unload() {
    const SLEEPS_WHILE_DYING: usize = 8;
    let (kernel, id, process) = misbehaving(SLEEPS_WHILE_DYING);
    let fd = process.open(DEV, O_RDWR).unwrap();
    let read = process.spawn(move |process| process.read(fd, &mut [0]));
    kernel.wait_asleep(process.pid(), "forever").unwrap();
    let unloader = kernel.process();
    let unload = unloader.spawn(move |process| process.kldunload(id));
    kernel.wait_asleep(unloader.pid(), "devdrn").unwrap();
    process.kill(Signal::KILL);
    assert_eq!(read.wait().unwrap(), Err(Errno::KILLED));
    assert_eq!(unload.wait().unwrap(), Ok(()));
    assert_eq!(kernel.panic_report(), None);
    assert_eq!(kernel.leaks(), []);
}
