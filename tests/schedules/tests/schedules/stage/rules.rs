//! The rules that must hold each time no thread can run, and at the end.

use std::sync::atomic::Ordering::SeqCst;

use kldhost_shuttle::sync::{fail, quiesce};
use kldhost_shuttle::{
    Errno, FIONREAD, FIONWRITE, Fd, MallocStats, O_NONBLOCK, O_RDONLY, Pid, Process, ThreadState,
};

use super::{Side, Stage, open};

/// An int that the device returns.
fn int(process: &Process, fd: Fd, request: u64) -> Result<usize, Errno> {
    let mut value = [0; 4];
    process.ioctl(fd, request, &mut value)?;
    Ok(u32::from_ne_bytes(value) as usize)
}

impl Stage {
    /// Lets all threads run until none can, and checks that no thread waits without need.
    pub fn settle(&self) {
        quiesce(|| self.check());
    }

    /// The end: all threads must have ended, and the unload must leave nothing behind.
    pub fn finish(&self) {
        self.check_ended();
        if !self.0.unload {
            self.start_unload();
            self.settle();
            self.check_ended();
        }
        let kernel = &self.0.kernel;
        let checked = kernel.check_memory().map_err(|report| report.to_string());
        let checked = checked.and_then(|()| {
            match (
                kernel.leaks(),
                kernel.malloc_stats("echodev"),
                kernel.threads(),
            ) {
                (leaks, MallocStats { allocations: 0, .. }, threads)
                    if leaks.is_empty() && threads.is_empty() =>
                {
                    Ok(())
                }
                left => Err(format!("something is left: {left:?}")),
            }
        });
        if let Err(what) = checked.and_then(|()| {
            self.0
                .bytes
                .check_all(self.0.unload || self.0.revoked.load(SeqCst))
        }) {
            fail(what);
        }
    }

    fn check_ended(&self) {
        let unfinished = self.0.unfinished.lock().unwrap().clone();
        if !unfinished.is_empty() {
            fail(format!(
                "the end, but not of {}: {:?}",
                unfinished.join(", "),
                self.0.kernel.threads()
            ));
        }
    }

    /// The rules that hold each time no thread can run.
    fn check(&self) -> Result<(), String> {
        let inner = &*self.0;
        if let Some(report) = inner.kernel.panic_report() {
            return Err(report.to_string());
        }
        if let Some(what) = inner.wrong.lock().unwrap().first() {
            return Err(what.clone());
        }
        let threads = inner.kernel.threads();
        let asleep: Vec<(Pid, &str)> = threads
            .iter()
            .map(|td| match &td.state {
                ThreadState::Sleeping { wmesg } if wmesg != "echo" => Ok((td.pid, wmesg.as_str())),
                _ => Err(format!(
                    "process {} waits for a lock that no thread releases",
                    td.pid
                )),
            })
            .collect::<Result<_, _>>()?;
        for (process, signal, sent) in &*inner.signals.lock().unwrap() {
            let handled = process.handled(*signal);
            if handled != *sent {
                return Err(format!(
                    "process {} got {handled} of {sent} signals",
                    process.pid()
                ));
            }
        }
        let is_unloading = |&(_, wmesg): &(Pid, &str)| matches!(wmesg, "drvunl" | "devdrn");
        if inner.unloaded.load(SeqCst) || asleep.iter().any(is_unloading) {
            // A waiter whose knote was being reported has missed its KNOTE. It gets another one
            // during the unload.
            let missed =
                inner.reports.load(SeqCst) && asleep.iter().any(|(_, wmesg)| *wmesg == "drvunl");
            let may_sleep =
                |thread: &(Pid, &str)| is_unloading(thread) || missed && thread.1 == "kqread";
            let left = asleep.iter().find(|thread| !may_sleep(thread));
            return left.map_or(Ok(()), |(pid, wmesg)| {
                Err(format!("unload: process {pid} still sleeps on {wmesg}"))
            });
        }
        self.check_device(&asleep)
    }

    /// No thread may be asleep if its condition already holds. The device must hold the bytes that
    /// were written and not read.
    fn check_device(&self, asleep: &[(Pid, &str)]) -> Result<(), String> {
        let inner = &*self.0;
        let mut probe = inner.probe.lock().unwrap();
        let mut writers = inner.writers.load(SeqCst);
        if inner.revoked.load(SeqCst) {
            *probe = open(&inner.kernel, O_RDONLY | O_NONBLOCK);
            writers = 0;
        }
        let ask =
            |request| int(&probe.0, probe.1, request).map_err(|error| format!("ioctl: {error}"));
        let (held, room) = (ask(FIONREAD)?, ask(FIONWRITE)?);
        let wanted = inner.wanted.lock().unwrap();
        for &(pid, wmesg) in asleep {
            let sides: Vec<Side> = match wmesg {
                "echord" => vec![Side::Read],
                "echowr" => vec![Side::Write],
                "select" | "kqread" => wanted
                    .iter()
                    .filter(|(of, _)| *of == pid)
                    .map(|&(_, side)| side)
                    .collect(),
                _ => {
                    return Err(format!(
                        "process {pid} sleeps on {wmesg}, where no thread may sleep"
                    ));
                }
            };
            let ready = |side: &Side| match side {
                Side::Read => held != 0 || writers == 0,
                Side::Write => room != 0,
            };
            if sides.is_empty() || sides.iter().any(ready) {
                return Err(format!(
                    "lost wakeup: process {pid} sleeps on {wmesg} with {held} bytes held, room for {room}, {writers} writers"
                ));
            }
        }
        inner.bytes.check_held(held)
    }
}
