//! The tables of filters: the members that the kernel of each release reads, and the words after a
//! table.

use kldhost::*;

use super::{COPY, Filters, TAIL, USERDUMP};

const ADJACENT: u64 = 1;
const LAST: u64 = 2;
const NOT_FD: u64 = 5;
const FREED: u64 = 6;
const NOWHERE: u64 = 7;

/// The report of an event with this table, on this release.
fn refused(release: Release, table: u64) -> Report {
    let filters = Filters::of(release);
    let kq = filters.process.kqueue().unwrap();
    assert_eq!(
        filters.try_add(kq, table),
        Err(Errno::PANICKED),
        "table {table} on {release}"
    );
    filters.kernel.panic_report().expect("a report")
}

#[test]
fn a_table_with_a_tail_of_zeroes_is_fine_on_every_release() {
    for release in Release::ALL {
        let filters = Filters::of(release);
        let kq = filters.process.kqueue().unwrap();
        assert_eq!(
            filters.try_add(kq, TAIL),
            Ok(0),
            "{release}: {:?}",
            filters.kernel.panic_report()
        );
        let mut events = [Kevent::default(); 2];
        assert_eq!(filters.process.kevent(kq, &[], &mut events, None), Ok(1));
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
            // In 15, f_userdump is part of the table, so it is not checked as a word after it.
            if release >= since || (table == USERDUMP && release >= Release::V15_0) {
                let filters = Filters::of(release);
                let kq = filters.process.kqueue().unwrap();
                assert_eq!(
                    filters.try_add(kq, table),
                    Ok(0),
                    "{release}: {:?}",
                    filters.kernel.panic_report()
                );
                filters.process.exit();
                filters.unload();
            } else {
                let report = refused(release, table);
                assert!(
                    report
                        .message
                        .starts_with(&format!("the word at {offset} of the table")),
                    "{report}"
                );
            }
        }
    }
}

#[test]
fn a_table_that_is_none_is_reported() {
    let report = refused(Release::V15_0, NOT_FD);
    assert_eq!(
        (report.call.as_str(), report.object.as_deref()),
        ("f_isfd", Some("filters.ko: not_fd+0x0"))
    );
    assert_eq!(
        report.message,
        "the table is not that of a filter of descriptors"
    );
    let report = refused(Release::V15_0, NOWHERE);
    assert_eq!(
        report.message,
        "kn_fop points into memory that is not in use"
    );
}

#[test]
fn a_table_freed_too_early_is_reported() {
    let filters = Filters::of(Release::V15_0);
    let kq = filters.process.kqueue().unwrap();
    assert_eq!(filters.try_add(kq, FREED), Ok(0));
    assert_eq!(filters.kernel.kldunload(filters.id), Err(Errno::PANICKED));
    let report = filters.kernel.panic_report().unwrap();
    assert_eq!(
        (report.call.as_str(), report.object.as_deref()),
        ("free", Some("filters"))
    );
    assert_eq!(
        report.message,
        "knotes still refer to a filter's table in this memory"
    );
}
