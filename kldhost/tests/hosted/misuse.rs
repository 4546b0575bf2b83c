//! Each misuse of the KPI panics the kernel, with a report that names the call, the object and the
//! place.
//!
//! The module is `testmods/misuse.c`. Its ioctls are the misuses, and are listed at its top.

use kldhost::{
    Call, Config, EV_ADD, EVFILT_READ, Errno, Fd, Kernel, Kevent, KldId, O_RDWR, Process, Report,
};

use crate::common;

/// `_IO('M', n)`.
fn request(n: u64) -> u64 {
    0x2000_0000 | u64::from(b'M') << 8 | n
}

struct Misuse {
    kernel: Kernel,
    id: KldId,
    process: Process,
    fd: Fd,
}

impl Misuse {
    fn new() -> Misuse {
        let (kernel, id) = common::boot("misuse", Config::default());
        let process = kernel.process();
        let fd = process.open("/dev/misuse", O_RDWR).expect("open");
        Misuse {
            kernel,
            id,
            process,
            fd,
        }
    }

    fn ioctl(&self, n: u64) -> Result<(), Errno> {
        self.process.ioctl(self.fd, request(n), 0)
    }

    fn unload(&self) -> Result<(), Errno> {
        self.process.close(self.fd).expect("close");
        self.kernel.kldunload(self.id)
    }

    fn report(&self) -> Report {
        self.kernel.panic_report().expect("a report")
    }
}

/// The expected report: the call, a part of the message, the object.
type Expected = (&'static str, &'static str, Option<&'static str>);

fn check(n: u64, report: &Report, (call, message, object): Expected) -> Result<(), String> {
    let right = report.call == call
        && report.message.contains(message)
        && report.object.as_deref() == object;
    if right {
        Ok(())
    } else {
        Err(format!(
            "misuse {n}: expected {call}, {message}, {object:?}; got {report:?}"
        ))
    }
}

#[test]
fn each_misuse_in_a_call_is_reported() {
    let a = Some("misuse a");
    let memory = Some("misuse");
    let cases: &[(u64, Expected)] = &[
        (1, ("_sleep", "sleeps with a lock that is not held", a)),
        (2, ("_sx_xunlock", "not held by this thread", a)),
        (3, ("_sx_sunlock", "not held by this thread", a)),
        (
            4,
            ("_sx_xlock", "already held exclusively by this thread", a),
        ),
        (5, ("_sx_xlock", "already held shared by this thread", a)),
        (
            6,
            ("_sx_xlock", "lock order reversal: \"misuse b\" is held", a),
        ),
        (7, ("sx_destroy", "destroys a lock that is held", a)),
        (8, ("d_ioctl", "returned with a lock held", a)),
        (9, ("knote", "without the knlist's lock", a)),
        (10, ("knote", "held shared, not exclusively", a)),
        (11, ("selrecord", "outside of d_poll", None)),
        (
            13,
            ("destroy_dev", "it would wait for itself", Some("misuse")),
        ),
        (14, ("free", "was already freed", memory)),
        (
            15,
            (
                "free",
                "of another malloc type, \"misuse\"",
                Some("misuse2"),
            ),
        ),
        (
            16,
            ("free", "malloc(9) did not return this address", memory),
        ),
        (
            17,
            (
                "free",
                "byte 100 of a block of 100 bytes was written to",
                memory,
            ),
        ),
        (19, ("page fault", "read of 0x0", None)),
        (20, ("page fault", "write to", None)),
        (21, ("page fault", "execution at 0x0", None)),
        (22, ("page fault", "execution at", None)),
        (23, ("arithmetic trap", "division by zero", None)),
        (24, ("illegal instruction", "", None)),
        (25, ("page fault", "", None)),
        (26, ("panic", "misuse: 26 of 42", None)),
    ];
    let mut wrong = Vec::new();
    for &(n, expected) in cases {
        let misuse = Misuse::new();
        let result = misuse.ioctl(n);
        assert_eq!(result, Err(Errno::PANICKED), "misuse {n}");
        let report = misuse.report();
        wrong.extend(check(n, &report, expected).err());
        let place = report.place.clone().unwrap_or_default();
        if !place.starts_with("misuse.ko: misuse_") {
            wrong.push(format!("misuse {n}: the place is {place:?}"));
        }
        if report.pid != misuse.process.pid() || report.syscall != "ioctl" {
            wrong.push(format!(
                "misuse {n}: not by this process in ioctl(2): {report:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn stop_signals_that_stay_deferred_are_reported() {
    let misuse = Misuse::new();
    assert_eq!(misuse.ioctl(30), Err(Errno::PANICKED));
    check(
        30,
        &misuse.report(),
        ("ioctl", "with stop signals deferred", None),
    )
    .unwrap();
}

#[test]
fn each_misuse_at_unload_is_reported() {
    let cases: &[(u64, Expected)] = &[
        (
            12,
            (
                "destroy_dev",
                "with a lock held, \"misuse a\"",
                Some("misuse"),
            ),
        ),
        (
            18,
            (
                "kldunload",
                "byte 50 of a block of 100 bytes that was freed at misuse.ko: misuse_",
                Some("misuse"),
            ),
        ),
        (
            29,
            (
                "kldunload",
                "a device of the module is left",
                Some("misuse"),
            ),
        ),
    ];
    for &(n, expected) in cases {
        let misuse = Misuse::new();
        assert_eq!(misuse.ioctl(n), Ok(()), "misuse {n}");
        assert_eq!(misuse.unload(), Err(Errno::PANICKED), "misuse {n}");
        check(n, &misuse.report(), expected).unwrap();
    }
}

#[test]
fn a_write_to_freed_memory_is_found_on_request() {
    let misuse = Misuse::new();
    assert_eq!(misuse.kernel.check_memory(), Ok(()));
    assert_eq!(misuse.ioctl(18), Ok(()));
    let report = misuse.kernel.check_memory().expect_err("damage");
    check(
        18,
        &report,
        ("check_memory", "was written to afterwards", Some("misuse")),
    )
    .unwrap();
}

#[test]
fn knotes_at_unload_are_reported() {
    let misuse = Misuse::new();
    let kq = misuse.process.kqueue().expect("kqueue");
    let add = [Kevent::new(misuse.fd, EVFILT_READ, EV_ADD)];
    assert_eq!(misuse.process.kevent(kq, &add, &mut [], None), Ok(0));
    assert_eq!(misuse.ioctl(28), Ok(()));
    assert_eq!(misuse.kernel.kldunload(misuse.id), Err(Errno::PANICKED));
    let expected = (
        "knlist_destroy",
        "destroying knlist with knotes on it",
        Some("misuse a"),
    );
    check(28, &misuse.report(), expected).unwrap();
}

#[test]
fn a_leak_is_printed_and_listed() {
    let misuse = Misuse::new();
    assert_eq!(misuse.ioctl(27), Ok(()));
    assert_eq!(misuse.unload(), Ok(()));
    let line =
        "Warning: memory type misuse leaked memory on destroy (1 allocations, 100 bytes leaked).";
    assert_eq!(misuse.kernel.console(), [line]);
    let leaks = misuse.kernel.leaks();
    assert_eq!(leaks.len(), 1);
    assert_eq!(
        (
            leaks[0].malloc_type.as_str(),
            leaks[0].stats.allocations,
            leaks[0].stats.bytes
        ),
        ("misuse", 1, 100)
    );
    assert_eq!(misuse.kernel.panic_report(), None);
}

#[test]
fn without_misuse_it_unloads_cleanly() {
    let misuse = Misuse::new();
    assert_eq!(misuse.unload(), Ok(()));
    assert_eq!(misuse.kernel.panic_report(), None);
    assert_eq!(misuse.kernel.console(), [""; 0]);
    assert_eq!(misuse.kernel.leaks(), []);
}

#[test]
fn a_panic_ends_the_calls_of_others() {
    let misuse = Misuse::new();
    let fd = misuse.fd;
    let sleeper: Call<Result<usize, Errno>> = misuse.process.spawn(move |process| {
        let mut fds = [kldhost::PollFd::new(fd, kldhost::POLLIN)];
        process.poll(&mut fds, -1)
    });
    misuse
        .kernel
        .wait_asleep(misuse.process.pid(), "select")
        .expect("it sleeps");
    assert_eq!(misuse.ioctl(26), Err(Errno::PANICKED));
    // It may have ended with PANICKED before the report was read, or not.
    match sleeper.wait() {
        Ok(result) => assert_eq!(result, Err(Errno::PANICKED)),
        Err(report) => assert_eq!(*report, misuse.report()),
    }
    assert_eq!(misuse.process.getfl(fd), Err(Errno::PANICKED));
}
