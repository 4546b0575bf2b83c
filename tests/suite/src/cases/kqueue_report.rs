//! Reports of the kqueues of a process: sysctl(3) `kern.proc.kq`, and core dumps.

use super::kqueue::kevent;
use crate::abi::*;
use crate::call::Call;
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::host::KQREAD;
use crate::process::Process;
use crate::sys::{Fd, Kevent};
use alloc::vec;
use alloc::vec::Vec;

cases! { "kqueue_report":
    of_its_own_process [Kqueue, KqueueReport],
    of_another_process [Kqueue, KqueueReport],
    changes_nothing [Kqueue, KqueueReport],
    after_unload [Unload, Kqueue, KqueueReport],
    of_its_own_process_during_unload [Unload, Kqueue, KqueueReport],
    of_another_process_during_unload [Unload, Kqueue, KqueueReport],
    core_dump [Kqueue, CoreDump, Signals],
    core_dump_during_unload [Unload, Kqueue, CoreDump, Signals],
    core_dump_after_unload [Unload, Kqueue, CoreDump, Signals],
}

const FLAGS: [u16; 5] = [0, EV_CLEAR, EV_ONESHOT, EV_DISABLE, EV_DISPATCH];

/// Registers both filters with each flag, each in its own kqueue. Returns the expected report, in
/// order.
fn register(p: &mut Process, fd: Fd) -> Outcome<Vec<(u64, i16)>> {
    let mut expected = vec![];
    for flags in FLAGS {
        let kq = p.kqueue()?;
        for filter in [EVFILT_READ, EVFILT_WRITE] {
            check_eq!(p.change(kq, kevent(fd, filter, EV_ADD | flags))?, Ok(()));
            expected.push((fd as u64, filter));
        }
    }
    expected.sort();
    Ok(expected)
}

fn what(events: &[Kevent]) -> Vec<(u64, i16)> {
    let mut all: Vec<_> = events
        .iter()
        .map(|event| (event.ident, event.filter))
        .collect();
    all.sort();
    all
}

fn of_its_own_process(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let pid = p.pid();
    check_eq!(p.report_kqueues(pid)?, vec![]);
    let expected = register(&mut p, rw)?;
    check_eq!(what(&p.report_kqueues(pid)?), expected);
    p.close(rw)?;
    check_eq!(p.report_kqueues(pid)?, vec![]);
    Ok(())
}

/// Its threads may sleep during the report.
fn of_another_process(cx: &mut Ctx) -> Outcome {
    let (mut p, r) = cx.opened(O_RDONLY)?;
    let _writer = cx.opened(O_WRONLY)?;
    let mut expected = register(&mut p, r)?;
    let kq = p.kqueue()?;
    let changes = vec![kevent(r, EVFILT_READ, EV_ADD)];
    p.start(Call::Kevent {
        kq,
        changes,
        max: 1,
        timeout: None,
    })?;
    cx.asleep(&p, KQREAD)?;
    expected.push((r as u64, EVFILT_READ));
    expected.sort();
    let mut other = cx.process()?;
    check_eq!(what(&other.report_kqueues(p.pid())?), expected);
    cx.asleep(&p, KQREAD)?;
    p.killed()
}

fn changes_nothing(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    for flags in [0, EV_CLEAR, EV_ONESHOT] {
        let kq = p.kqueue()?;
        check_eq!(
            p.change(kq, kevent(rw, EVFILT_READ, EV_ADD | flags))?,
            Ok(())
        );
        check_eq!(
            what(&p.report_kqueues(p.pid())?),
            vec![(rw as u64, EVFILT_READ)]
        );
        check_eq!(what(&p.events(kq, 4)?), vec![(rw as u64, EVFILT_READ)]);
        p.close(kq)?;
    }
    Ok(())
}

fn after_unload(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    register(&mut p, rw)?;
    cx.unload()?;
    check_eq!(p.report_kqueues(p.pid())?, vec![]);
    Ok(())
}

/// Starts a report by `by`, or by the process itself, and unloads. The report has only registered
/// events.
fn while_it_unloads(cx: &mut Ctx, by: Option<Process>) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let expected = [(); 8]
        .map(|()| register(&mut p, rw))
        .into_iter()
        .collect::<Outcome<Vec<_>>>()?
        .concat();
    let pid = p.pid();
    let mut reporter = by.unwrap_or(p);
    reporter.start(Call::ReportKqueues { pid })?;
    cx.unload()?;
    let report = what(&reporter.finish_kevent()?.unwrap_or_default());
    check!(
        report.len() <= expected.len(),
        "{} events were registered, {} reported",
        expected.len(),
        report.len()
    );
    check!(
        report.iter().all(|event| expected.contains(event)),
        "{report:?} was reported"
    );
    Ok(())
}

fn of_its_own_process_during_unload(cx: &mut Ctx) -> Outcome {
    while_it_unloads(cx, None)
}

fn of_another_process_during_unload(cx: &mut Ctx) -> Outcome {
    let reporter = cx.process()?;
    while_it_unloads(cx, Some(reporter))
}

/// A process with events on the device, which SIGQUIT ends while it waits for something else.
fn dumping(cx: &mut Ctx) -> Outcome<Process> {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    for _ in 0..4 {
        register(&mut p, rw)?;
    }
    let kq = p.kqueue()?;
    p.start(Call::wait_event(kq))?;
    cx.asleep(&p, KQREAD)?;
    Ok(p)
}

fn core_dump(cx: &mut Ctx) -> Outcome {
    let mut p = dumping(cx)?;
    p.kill(SIGQUIT)?;
    p.died()?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(p.read(rw, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}

fn core_dump_during_unload(cx: &mut Ctx) -> Outcome {
    let mut p = dumping(cx)?;
    p.kill(SIGQUIT)?;
    cx.unload()?;
    p.died()
}

fn core_dump_after_unload(cx: &mut Ctx) -> Outcome {
    let mut p = dumping(cx)?;
    cx.unload()?;
    p.kill(SIGQUIT)?;
    p.died()
}
