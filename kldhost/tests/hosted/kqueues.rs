//! Kqueues and tables of filters on each release. The module is `testmods/filters.c`, which lists
//! its tables at its top. Its events are always active.

mod fork;
mod held;
mod report;
mod tables;

use kldhost::sync::Duration;
use kldhost::{
    Config, EV_ADD, EVFILT_READ, Errno, Fd, Kernel, Kevent, KldId, O_RDWR, Process, Release,
};

use crate::common;

const TAIL: u64 = 0;
const USERDUMP: u64 = 3;
const COPY: u64 = 4;

struct Filters {
    kernel: Kernel,
    id: KldId,
    process: Process,
    fd: Fd,
}

impl Filters {
    fn new(module: &str, config: Config) -> Filters {
        let (kernel, id) = common::boot(module, config);
        let process = kernel.process();
        let fd = process.open("/dev/filters", O_RDWR).expect("open");
        Filters {
            kernel,
            id,
            process,
            fd,
        }
    }

    fn of(release: Release) -> Filters {
        Filters::new(
            "filters",
            Config {
                release,
                ..Config::default()
            },
        )
    }

    /// `_IO('F', n)`
    fn choose(&self, n: u64) {
        self.process
            .ioctl(self.fd, 0x2000_0000 | u64::from(b'F') << 8 | n, 0)
            .expect("ioctl");
    }

    /// Adds an event for reading that has this table.
    fn try_add(&self, kq: Fd, table: u64) -> Result<usize, Errno> {
        self.choose(table);
        self.process.kevent(
            kq,
            &[Kevent::new(self.fd, EVFILT_READ, EV_ADD)],
            &mut [],
            None,
        )
    }

    /// Adds an event that has this table, which must succeed.
    fn add(&self, kq: Fd, filter: i16, table: u64) {
        self.choose(table);
        let added = self
            .process
            .kevent(kq, &[Kevent::new(self.fd, filter, EV_ADD)], &mut [], None);
        assert_eq!(added, Ok(0), "{:?}", self.kernel.panic_report());
    }

    fn unload(self) {
        self.process.exit();
        assert_eq!(
            self.kernel.kldunload(self.id),
            Ok(()),
            "{:?}",
            self.kernel.panic_report()
        );
        assert_eq!(self.kernel.leaks(), []);
    }
}

fn events(process: &Process, kq: Fd) -> Vec<(usize, i16)> {
    let mut events = [Kevent::default(); 4];
    let found = process
        .kevent(kq, &[], &mut events, Some(Duration::ZERO))
        .expect("kevent");
    events[..found]
        .iter()
        .map(|event| (event.ident, event.filter))
        .collect()
}
