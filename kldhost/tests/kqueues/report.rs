//! Reports of kqueues and core dumps, and what they hold up.

use kldhost::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use kldhost::sync::{Arc, Condvar, Mutex};
use kldhost::*;

use crate::{Filters, TAIL, USERDUMP, common, events};

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

/// How far a test has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Stage {
    #[default]
    Start,
    /// A thread is in f_detach.
    Detaching,
    /// A report has a knote in flux.
    Reporting,
    /// The report may go on.
    Released,
}

/// Holds a report, with a knote in flux.
#[derive(Default)]
struct Hold {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl Hold {
    fn hook(self: &Arc<Hold>) -> KpiHook {
        let hold = self.clone();
        Arc::new(move |call| {
            match call.name {
                "knlist_remove" if *hold.stage.lock() < Stage::Reporting => {
                    hold.pass(Stage::Detaching)
                }
                "sbuf_bcat" => hold.pass(Stage::Reporting),
                _ => {}
            }
            None
        })
    }

    /// Reports a stage, and waits until the test has come farther.
    fn pass(&self, stage: Stage) {
        self.reach(stage);
        let mut now = self.stage.lock();
        while *now <= stage {
            self.changed.wait(&mut now);
        }
    }

    fn reach(&self, stage: Stage) {
        let mut now = self.stage.lock();
        *now = stage.max(*now);
        self.changed.notify_all();
    }

    fn wait(&self, stage: Stage) {
        let mut now = self.stage.lock();
        while *now < stage {
            self.changed.wait(&mut now);
        }
    }
}

type Report = Call<Result<Vec<KnoteInfo>, Errno>>;

/// A process with an event, of which another makes a report that is held.
fn held_report(release: Release) -> (Filters, Fd, Arc<Hold>, Report) {
    let hold = Arc::new(Hold::default());
    let filters = Filters::new(
        "filters",
        Config {
            release,
            hook: Some(hold.hook()),
            ..Config::default()
        },
    );
    let kq = filters.process.kqueue().unwrap();
    filters.add(kq, EVFILT_READ, TAIL);
    let pid = filters.process.pid();
    let report = filters
        .kernel
        .process()
        .spawn(move |process| process.report_kqueues(pid));
    hold.wait(Stage::Reporting);
    (filters, kq, hold, report)
}

#[test]
fn whoever_drops_a_knote_waits_for_its_report() {
    type Way = fn(&Process, Fd, Fd) -> Result<(), Errno>;
    let ways: [Way; 2] = [|process, _, fd| process.close(fd), delete];
    for release in [Release::V14_4, Release::V15_0, Release::V15_1] {
        for way in ways {
            let (filters, kq, hold, report) = held_report(release);
            let fd = filters.fd;
            let dropped = filters.process.spawn(move |process| way(process, kq, fd));
            filters
                .kernel
                .wait_asleep(filters.process.pid(), "kqflxwt")
                .unwrap();
            hold.reach(Stage::Released);
            assert_eq!(dropped.wait().unwrap(), Ok(()));
            assert_eq!(report.wait().unwrap().unwrap().len(), 1);
            filters.unload();
        }
    }
}

fn delete(process: &Process, kq: Fd, fd: Fd) -> Result<(), Errno> {
    process
        .kevent(
            kq,
            &[Kevent::new(fd, EVFILT_READ, EV_DELETE)],
            &mut [],
            None,
        )
        .map(|_| ())
}

/// The report has the file open, and so it is the last to close it.
#[test]
fn a_report_outlives_the_descriptor() {
    let (filters, kq, hold, report) = held_report(Release::V15_0);
    filters.process.close(kq).unwrap();
    hold.reach(Stage::Released);
    assert_eq!(report.wait().unwrap().unwrap().len(), 1);
    filters.unload();
}

#[test]
fn an_unload_waits_for_a_report() {
    let (filters, _kq, hold, report) = held_report(Release::V15_0);
    let (id, unloader) = (filters.id, filters.kernel.process());
    let pid = unloader.pid();
    let unloaded = unloader.spawn(move |process| process.kldunload(id));
    filters.kernel.wait_asleep(pid, "kqkclr").unwrap();
    hold.reach(Stage::Released);
    assert_eq!(unloaded.wait().unwrap(), Ok(()));
    assert_eq!(report.wait().unwrap().unwrap().len(), 1);
}

/// A thread has detached a knote, and sleeps until a report is over. The list is empty, so nothing
/// keeps the module, whose table is yet to be read.
#[test]
fn a_table_that_goes_before_its_last_read_is_reported() {
    let hold = Arc::new(Hold::default());
    let filters = Filters::new(
        "filters",
        Config {
            hook: Some(hold.hook()),
            ..Config::default()
        },
    );
    let (kq, fd, pid) = (
        filters.process.kqueue().unwrap(),
        filters.fd,
        filters.process.pid(),
    );
    filters.add(kq, EVFILT_READ, TAIL);
    let dropped = filters
        .process
        .spawn(move |process| delete(process, kq, fd));
    hold.wait(Stage::Detaching);
    let report = filters
        .kernel
        .process()
        .spawn(move |process| process.report_kqueues(pid));
    filters.kernel.wait_asleep(pid, "kqflxwt").unwrap();
    assert_eq!(filters.kernel.kldunload(filters.id), Err(Errno::PANICKED));
    let why = filters.kernel.panic_report().unwrap();
    assert_eq!(
        why.message,
        "knotes still point into the module: knlist_delete(9)"
    );
    hold.reach(Stage::Released);
    assert!(matches!(dropped.wait(), Ok(Err(Errno::PANICKED)) | Err(_)));
    // It has all that it needs, and may not see that the kernel is dead.
    drop(report);
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
