//! Threads that wait for a report of a kqueue that is held up.

use kldhost::sync::{Arc, Condvar, Mutex};
use kldhost::*;

use super::{Filters, TAIL};

/// The progress of a test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Stage {
    #[default]
    Start,
    /// A thread is in f_detach.
    Detaching,
    /// A report has a knote in flux.
    Reporting,
    /// The report may continue.
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

    /// Reports a stage, and waits for the next one.
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
fn dropping_a_knote_waits_for_its_report() {
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
/// delays the unload of the module. Its table has yet to be read.
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
