//! The functions of the KPI, called by C code: `testmods/kpi.c`, which lists its checks and misuses
//! at its top.

mod hook;
mod uio;

use std::collections::HashSet;

use kldhost::sync::Duration;
use kldhost::{Config, EV_ADD, EVFILT_READ, Errno, Fd, Kernel, Kevent, KldId, O_RDWR, Process};

use crate::common;

/// `_IOWR('K', n, int)`.
fn check_request(n: u64) -> u64 {
    0xc004_0000 | u64::from(b'K') << 8 | n
}

/// `_IO('K', n)`.
fn request(n: u64) -> u64 {
    0x2000_0000 | u64::from(b'K') << 8 | n
}

struct Kpi {
    kernel: Kernel,
    id: KldId,
    process: Process,
    fd: Fd,
}

impl Kpi {
    fn new() -> Kpi {
        let tunables = [
            ("int", "-7"),
            ("ulong", "16k"),
            ("str", "longer than that"),
            ("bool", "true"),
        ];
        let tunables = tunables
            .map(|(name, value)| (format!("hw.kpi.{name}"), value.to_string()))
            .to_vec();
        let (kernel, id) = common::boot(
            "kpi",
            Config {
                tunables,
                ..Config::default()
            },
        );
        let process = kernel.process();
        let fd = process.open("/dev/kpi", O_RDWR).expect("open");
        Kpi {
            kernel,
            id,
            process,
            fd,
        }
    }

    /// Runs a check of the module: the line that found something wrong, or 0.
    fn check(&self, n: u64) -> i32 {
        let mut line = [0; 4];
        let result = self.process.ioctl(self.fd, check_request(n), &mut line);
        assert_eq!(
            result,
            Ok(()),
            "check {n}: {:?}",
            self.kernel.panic_report()
        );
        i32::from_ne_bytes(line)
    }

    fn unload(self) {
        self.process.exit();
        let unloaded = self.kernel.kldunload(self.id);
        assert_eq!(unloaded, Ok(()), "{:?}", self.kernel.panic_report());
        assert_eq!(self.kernel.leaks(), []);
    }
}

#[test]
fn all_checks_of_the_module_pass() {
    let kpi = Kpi::new();
    for n in 0..8 {
        assert_eq!(
            kpi.check(n),
            0,
            "kpi.c found something wrong in that line (check {n})"
        );
    }
    // The destructor of the data that check 7 left runs at close.
    kpi.process.close(kpi.fd).unwrap();
    let fd = kpi.process.open("/dev/kpi", O_RDWR).unwrap();
    assert_eq!(fd, kpi.fd);
    for n in 8..10 {
        assert_eq!(
            kpi.check(n),
            0,
            "kpi.c found something wrong in that line (check {n})"
        );
    }
    assert_eq!(
        kpi.kernel.console(),
        ["kpi: 42 words ok on a line", "kpi: 1 logged, -2 3"]
    );
    let names: HashSet<String> = kpi
        .kernel
        .devices()
        .into_iter()
        .map(|device| device.name)
        .collect();
    assert_eq!(
        names,
        ["kpi", "kpi.make_dev1", "kpi.credf2", "kpi.p3"]
            .map(String::from)
            .into()
    );
    kpi.unload();
}

#[test]
fn each_misuse_is_reported() {
    let cases = [
        (
            100,
            "_sleep",
            "may sleep with a mutex held",
            Some("kpi mutex"),
        ),
        (
            101,
            "malloc",
            "may sleep with a mutex held",
            Some("kpi mutex"),
        ),
        (102, "_sx_slock", "the lock is not initialised", None),
        (
            103,
            "sx_init_flags",
            "the lock is already initialised",
            Some("kpi sx"),
        ),
        (107, "_sleep", "without a lock or a timeout", None),
        (
            108,
            "__mtx_unlock_flags",
            "not held by this thread",
            Some("kpi mutex"),
        ),
        (
            109,
            "malloc",
            "M_WAITOK of 18446744073709551615 bytes, more than the machine has left",
            Some("kpi"),
        ),
        (
            110,
            "realloc",
            "M_WAITOK of 18446744073709551615 bytes, more than the machine has left",
            Some("kpi"),
        ),
        (
            112,
            "malloc",
            "M_WAITOK of 536870913 bytes, more than the machine has left: waits forever",
            Some("kpi"),
        ),
        (
            111,
            "mallocarray",
            "18446744073709551615 * 2 overflows",
            None,
        ),
    ];
    for (n, call, message, object) in cases {
        let kpi = Kpi::new();
        let result = kpi.process.ioctl(kpi.fd, check_request(n), &mut [0; 4]);
        assert_eq!(result, Err(Errno::PANICKED), "misuse {n}");
        let report = kpi.kernel.panic_report().unwrap();
        assert_eq!(
            (report.call.as_str(), report.object.as_deref()),
            (call, object),
            "misuse {n}: {report}"
        );
        assert!(report.message.contains(message), "misuse {n}: {report}");
    }
}

#[test]
fn freeing_memory_that_a_thread_sleeps_on_is_reported() {
    let kpi = Kpi::new();
    let fd = kpi.fd;
    let sleeper = kpi
        .process
        .spawn(move |process| process.ioctl(fd, request(201), 0));
    kpi.kernel.wait_asleep(kpi.process.pid(), "kpichn").unwrap();
    assert_eq!(
        kpi.process.ioctl(fd, check_request(104), &mut [0; 4]),
        Err(Errno::PANICKED)
    );
    let report = kpi.kernel.panic_report().unwrap();
    assert_eq!(
        (report.call.as_str(), report.object.as_deref()),
        ("free", Some("kpi"))
    );
    assert!(report.message.contains("waits on this memory"), "{report}");
    assert!(matches!(sleeper.wait(), Ok(Err(Errno::PANICKED)) | Err(_)));
}

#[test]
fn a_filter_that_may_sleep_under_the_kqueues_lock_is_reported() {
    let kpi = Kpi::new();
    let kq = kpi.process.kqueue().unwrap();
    kpi.process
        .kevent(
            kq,
            &[Kevent::new(kpi.fd, EVFILT_READ, EV_ADD)],
            &mut [],
            None,
        )
        .unwrap();
    assert_eq!(
        kpi.process.ioctl(kpi.fd, check_request(105), &mut [0; 4]),
        Err(Errno::PANICKED)
    );
    let report = kpi.kernel.panic_report().unwrap();
    assert_eq!(report.call, "_sx_slock");
    assert!(
        report.message.contains("in f_event called by knote(9)"),
        "{report}"
    );
}

#[test]
fn uiomove_with_a_mutex_held_is_reported() {
    let kpi = Kpi::new();
    assert_eq!(kpi.check(106), 0);
    assert_eq!(kpi.process.read(kpi.fd, &mut [0; 4]), Err(Errno::PANICKED));
    let report = kpi.kernel.panic_report().unwrap();
    assert_eq!(
        (report.call.as_str(), report.object.as_deref()),
        ("uiomove_frombuf", Some("kpi mutex"))
    );
}

#[test]
fn a_knlist_locked_by_a_mutex() {
    let kpi = Kpi::new();
    let kq = kpi.process.kqueue().unwrap();
    let mut events = [Kevent::default(); 2];
    let add = [Kevent::new(kpi.fd, EVFILT_READ, EV_ADD)];
    assert_eq!(
        kpi.process
            .kevent(kq, &add, &mut events, Some(Duration::ZERO)),
        Ok(0)
    );
    let waiter = kpi
        .process
        .spawn(move |process| process.kevent(kq, &[], &mut [Kevent::default(); 2], None));
    kpi.kernel.wait_asleep(kpi.process.pid(), "kqread").unwrap();
    kpi.process.ioctl(kpi.fd, request(200), 0).unwrap();
    assert_eq!(waiter.wait().unwrap(), Ok(1));
    kpi.unload();
}
