//! Reports of kqueues, and core dumps.

use kldhost::sync::Arc;
use kldhost::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use kldhost::*;

use super::{Filters, TAIL, USERDUMP, events};
use crate::common;

#[test]
fn a_report_has_every_knote_of_a_process() {
    for release in Release::ALL {
        let filters = Filters::of(release);
        let (process, fd) = (&filters.process, filters.fd as usize);
        let queues = [(); 2].map(|()| process.kqueue().unwrap());
        filters.add(queues[0], EVFILT_READ, TAIL);
        filters.add(queues[1], EVFILT_WRITE, TAIL);
        let (table, extdata) = if release == Release::V14_0 {
            (TAIL, 0)
        } else {
            (USERDUMP, 42)
        };
        filters.add(queues[1], EVFILT_READ, table);
        for by in [process, &filters.kernel.process()] {
            let report = by.report_kqueues(process.pid());
            if release == Release::V14_0 {
                assert_eq!(report, Err(Errno::ENOENT));
                continue;
            }
            let report = report.unwrap();
            let seen = report
                .iter()
                .map(|info| (info.kq, info.event.ident, info.event.filter, info.extdata));
            let expected = [
                (queues[0], fd, EVFILT_READ, 0),
                (queues[1], fd, EVFILT_READ, extdata),
                (queues[1], fd, EVFILT_WRITE, 0),
            ];
            assert_eq!(seen.collect::<Vec<_>>(), expected, "{release}");
            assert!(
                report.iter().all(|info| info.status == 3),
                "active and queued: {report:?}"
            );
            assert_eq!(by.report_kqueues(99), Err(Errno::ESRCH));
        }
        assert_eq!(
            events(process, queues[1]).len(),
            2,
            "a report changes nothing"
        );
        filters.unload();
    }
}

#[test]
fn a_core_dump_asks_every_filter() {
    for release in Release::ALL {
        for (signal, dumps) in [
            (Signal::QUIT, true),
            (Signal::ABRT, true),
            (Signal::TERM, false),
            (Signal::KILL, false),
        ] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = asked.clone();
            let hook: KpiHook = Arc::new(move |call| {
                count.fetch_add((call.name == "sbuf_bcat").into(), SeqCst);
                None
            });
            let filters = Filters::new(
                "filters",
                Config {
                    release,
                    hook: Some(hook),
                    ..Config::default()
                },
            );
            let kq = filters.process.kqueue().unwrap();
            filters.add(kq, EVFILT_READ, TAIL);
            filters.add(kq, EVFILT_WRITE, TAIL);
            let watcher = filters.process.fork().unwrap();
            filters.process.kill(signal);
            assert_eq!(
                filters.process.exit_status(),
                Some(ExitStatus::Signaled(signal))
            );
            let expected = if dumps && release >= Release::V14_4 {
                2
            } else {
                0
            };
            assert_eq!(asked.load(SeqCst), expected, "{signal:?} on {release}");
            watcher.exit();
            filters.unload();
        }
    }
}

#[test]
fn two_modules_share_a_kqueue() {
    for filters_first in [true, false] {
        let filters = Filters::of(Release::default());
        let kpi = filters
            .kernel
            .kldload(&common::module("kpi", Release::default()))
            .unwrap();
        let process = &filters.process;
        let other = process.open("/dev/kpi", O_RDWR).unwrap();
        let kq = process.kqueue().unwrap();
        filters.add(kq, EVFILT_READ, TAIL);
        assert_eq!(
            process.kevent(
                kq,
                &[Kevent::new(other, EVFILT_READ, EV_ADD)],
                &mut [],
                None
            ),
            Ok(0)
        );
        // KPI_FIRE
        process
            .ioctl(other, 0x2000_0000 | u64::from(b'K') << 8 | 200, 0)
            .unwrap();
        let (theirs, ours) = (
            (other as usize, EVFILT_READ),
            (filters.fd as usize, EVFILT_READ),
        );
        assert_eq!(events(process, kq), [ours, theirs]);
        let (first, left, second) = if filters_first {
            (filters.id, theirs, kpi)
        } else {
            (kpi, ours, filters.id)
        };
        assert_eq!(
            filters.kernel.kldunload(first),
            Ok(()),
            "{:?}",
            filters.kernel.panic_report()
        );
        assert_eq!(events(process, kq), [left]);
        assert_eq!(
            filters.kernel.kldunload(second),
            Ok(()),
            "{:?}",
            filters.kernel.panic_report()
        );
        assert_eq!(events(process, kq), []);
    }
}
