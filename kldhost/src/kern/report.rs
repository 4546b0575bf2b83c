//! Panics: the report, and the end of all other threads.

use std::fmt;

use super::thread::Thread;
use super::{Kern, module_call, thread};
use crate::abi::errno::Errno;
use crate::abi::syscall::{Pid, Tid};
use crate::machine::fault::{FaultInfo, FaultKind};
use crate::machine::pcpu;
use crate::machine::sync::atomic::Ordering::SeqCst;

/// A panic: the misuse by a module, and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The KPI function, system call or fault in which it was found, such as `_sx_xunlock`.
    pub call: String,
    /// The misuse.
    pub message: String,
    /// The object of the misuse: the name of a lock, malloc type or device.
    pub object: Option<String>,
    /// The place in the module, such as `echodev.ko: echo_read+0x4f`.
    pub place: Option<String>,
    /// The system call that the thread was in.
    pub syscall: String,
    /// The process of the thread.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}: {}", self.call, self.message)?;
        if let Some(object) = &self.object {
            write!(f, ": \"{object}\"")?;
        }
        if let Some(place) = &self.place {
            write!(f, "\nat {place}")?;
        }
        write!(
            f,
            "\nby thread {} of process {} in {}(2)",
            self.tid, self.pid, self.syscall
        )
    }
}

impl std::error::Error for Report {}

/// The kernel is dead. The caller returns to user mode without touching anything.
#[derive(Debug, Clone, Copy)]
pub struct Stop;

impl From<Stop> for Errno {
    fn from(_: Stop) -> Errno {
        Errno::PANICKED
    }
}

impl Kern {
    /// The first panic's report; `None` while the kernel is fine.
    pub fn panic_report(&self) -> Option<Report> {
        self.report.lock().clone()
    }

    /// Whether the kernel has panicked.
    pub fn is_dead(&self) -> bool {
        self.dead.load(SeqCst)
    }

    /// [`Stop`] if the kernel has panicked.
    pub fn check_alive(&self) -> Result<(), Stop> {
        if self.is_dead() { Err(Stop) } else { Ok(()) }
    }

    /// Panics: keeps the report if it is the first, and wakes all sleeping threads, with [`Stop`].
    pub fn panic(&self, report: Report) -> Stop {
        {
            let mut first = self.report.lock();
            if first.is_none() {
                self.console.print(&format!("{report}\n"));
                *first = Some(report);
            }
        }
        self.dead.store(true, SeqCst);
        for td in self.threads.all() {
            td.wake_dead();
        }
        self.events.notify_always();
        Stop
    }
}

impl Thread {
    /// Panics because of a misuse in the KPI call that this thread is in. `object` is the object of
    /// the misuse.
    pub fn misuse(&self, call: &str, message: impl Into<String>, object: Option<String>) -> Stop {
        self.misuse_at(pcpu::caller(), call, message, object)
    }

    /// As [`Thread::misuse`], with the place in the module: 0 if there is none.
    pub fn misuse_at(
        &self,
        place: usize,
        call: &str,
        message: impl Into<String>,
        object: Option<String>,
    ) -> Stop {
        let kernel = self.kernel();
        kernel.panic(Report {
            call: call.to_string(),
            message: message.into(),
            object,
            place: kernel.symbolize(place),
            syscall: self.own().syscall.get().to_string(),
            pid: self.pid(),
            tid: self.tid,
        })
    }

    /// Panics over a fault of module code that this thread runs.
    pub fn fault(&self, fault: &FaultInfo) -> Stop {
        let addr = fault.addr;
        let unloaded = self.kernel().unloaded(addr);
        let (call, message) = match fault.kind {
            FaultKind::Read => (
                "page fault",
                format!("read of {addr:#x}, which cannot be read"),
            ),
            FaultKind::Write => (
                "page fault",
                format!("write to {addr:#x}, which cannot be written"),
            ),
            FaultKind::Execute => (
                "page fault",
                format!("execution at {addr:#x}, which is not code"),
            ),
            FaultKind::Protection => (
                "general protection fault",
                "a wild address, or a privileged instruction".into(),
            ),
            FaultKind::IllegalInstruction => (
                "illegal instruction",
                "the CPU does not have it".to_string(),
            ),
            FaultKind::Arithmetic => (
                "arithmetic trap",
                "division by zero, or its result is too large".to_string(),
            ),
        };
        let message = match &unloaded {
            Some(_) => format!("{message}: the module is unloaded"),
            None => message,
        };
        self.misuse_at(fault.pc, call, message, unloaded)
    }
}

/// A fault in module code: the kernel panics, and the thread leaves the module.
pub fn module_fault(fault: &FaultInfo) -> ! {
    let td = thread::current();
    td.fault(fault);
    module_call::leave(td)
}
