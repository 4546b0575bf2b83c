//! The tables of filters, which the kernel of each release reads: `testmods/filters.c` lists its
//! tables at its top.

mod common;

use kldhost::{Config, EV_ADD, EVFILT_READ, Errno, Fd, Kernel, Kevent, KldId, O_RDWR, Process, Release, Report};

const TAIL: u64 = 0;
const ADJACENT: u64 = 1;
const LAST: u64 = 2;
const USERDUMP: u64 = 3;
const COPY: u64 = 4;
const NOT_FD: u64 = 5;
const FREED: u64 = 6;
const NOWHERE: u64 = 7;

struct Filters {
    kernel: Kernel,
    id: KldId,
    process: Process,
    fd: Fd,
}

impl Filters {
    fn new(config: Config) -> Filters {
        let (kernel, id) = common::boot("filters", config);
        let process = kernel.process();
        let fd = process.open("/dev/filters", O_RDWR).expect("open");
        Filters { kernel, id, process, fd }
    }

    fn of(release: Release) -> Filters {
        Filters::new(Config { release, ..Config::default() })
    }

    /// `_IO('F', n)`
    fn choose(&self, n: u64) {
        self.process.ioctl(self.fd, 0x2000_0000 | u64::from(b'F') << 8 | n, 0).expect("ioctl");
    }

    /// Adds an event that has this table.
    fn add(&self, kq: Fd, table: u64) -> Result<usize, Errno> {
        self.choose(table);
        self.process.kevent(kq, &[Kevent::new(self.fd, EVFILT_READ, EV_ADD)], &mut [], None)
    }

    fn report(&self) -> Report {
        self.kernel.panic_report().expect("a report")
    }

    fn unload(self) {
        assert_eq!(self.kernel.kldunload(self.id), Ok(()), "{:?}", self.kernel.panic_report());
        assert_eq!(self.kernel.leaks(), []);
    }
}

/// The report of an event with this table, on this release.
fn refused(release: Release, table: u64) -> Report {
    let filters = Filters::of(release);
    let kq = filters.process.kqueue().unwrap();
    assert_eq!(filters.add(kq, table), Err(Errno::PANICKED), "table {table} on {release}");
    filters.report()
}

#[test]
fn a_table_with_a_tail_of_zeroes_is_fine_on_every_release() {
    for release in Release::ALL {
        let filters = Filters::of(release);
        let kq = filters.process.kqueue().unwrap();
        assert_eq!(filters.add(kq, TAIL), Ok(0), "{release}: {:?}", filters.kernel.panic_report());
        let mut events = [Kevent::default(); 2];
        assert_eq!(filters.process.kevent(kq, &[], &mut events, None), Ok(1));
        filters.process.close(kq).unwrap();
        filters.unload();
    }
}

#[test]
fn what_follows_a_table_is_reported_on_every_release() {
    for release in Release::ALL {
        let size = if release < Release::V15_0 { 40 } else { 48 };
        let calls = match release {
            Release::V14_4 => "which this kernel calls as f_userdump",
            Release::V15_1 => "which this kernel calls as f_copy",
            _ => "zeroes must follow it",
        };
        for (table, offset, word) in [(ADJACENT, 0, "0x1"), (LAST, size, "0x100000001")] {
            let report = refused(release, table);
            assert_eq!(report.call, "d_kqfilter", "{report}");
            let found = format!("the word at {size} of the table is {word},");
            assert!(report.message.starts_with(&found), "{release}: {report}");
            assert!(report.message.contains(calls), "{release}: {report}");
            let name = format!("filters.ko: adjacent+{offset:#x}");
            assert_eq!(report.object, Some(name), "{release}: {report}");
        }
    }
}

#[test]
fn a_member_is_fine_only_where_the_release_has_it() {
    for release in Release::ALL {
        for (table, offset, since) in [(USERDUMP, 40, Release::V14_4), (COPY, 48, Release::V15_1)] {
            // Modules for 15 know f_userdump, those for 14 may: it is not looked at behind 15's table.
            if release >= since || (table == USERDUMP && release >= Release::V15_0) {
                let filters = Filters::of(release);
                let kq = filters.process.kqueue().unwrap();
                assert_eq!(filters.add(kq, table), Ok(0), "{release}: {:?}", filters.kernel.panic_report());
                filters.process.exit();
                filters.unload();
            } else {
                let report = refused(release, table);
                assert!(report.message.starts_with(&format!("the word at {offset} of the table")), "{report}");
            }
        }
    }
}

#[test]
fn a_table_that_is_none_is_reported() {
    let report = refused(Release::V15_0, NOT_FD);
    assert_eq!((report.call.as_str(), report.object.as_deref()), ("f_isfd", Some("filters.ko: not_fd+0x0")));
    assert_eq!(report.message, "the table is not of a filter of descriptors");
    let report = refused(Release::V15_0, NOWHERE);
    assert_eq!(report.message, "kn_fop points into memory that is not in use");
}

#[test]
fn a_table_freed_too_early_is_reported() {
    let filters = Filters::of(Release::V15_0);
    let kq = filters.process.kqueue().unwrap();
    assert_eq!(filters.add(kq, FREED), Ok(0));
    assert_eq!(filters.kernel.kldunload(filters.id), Err(Errno::PANICKED));
    let report = filters.report();
    assert_eq!((report.call.as_str(), report.object.as_deref()), ("free", Some("filters")));
    assert_eq!(report.message, "knotes still refer to a filter's table in this memory");
}
