//! A process, as the users of this crate have it.

use super::Kernel;
use super::enter::system_call;
use super::proc::Proc;
use crate::abi::errno::Errno;
use crate::abi::signal::ExitStatus;
use crate::abi::syscall::{Fd, Pid};
use crate::dev::fdtable::FdTable;
use crate::dev::file::FileRef;
use crate::kern::interrupt::Interrupt;
use crate::kern::report::Report;
use crate::kern::signal::Signals;
use crate::kern::thread::{Thread, this_thread};
use crate::machine::sync::Arc;

/// A process. Clones are the same process; it exits when the last one is dropped.
///
/// Every system call may also return [`Errno::PANICKED`], and [`Errno::KILLED`] when the process
/// has ended.
#[derive(Clone)]
pub struct Process(Arc<Handle>);

/// The shared part of all clones.
struct Handle {
    kernel: Kernel,
    process: Arc<Proc>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.process.end(&self.kernel.kern, ExitStatus::Exited);
    }
}

impl Process {
    /// A process of user 0, child of init, with no descriptor open.
    pub(super) fn new(kernel: &Kernel) -> Process {
        let process = kernel.procs.create(FdTable::default(), Signals::default());
        Process(Arc::new(Handle {
            kernel: kernel.clone(),
            process,
        }))
    }

    pub(super) fn proc(&self) -> &Arc<Proc> {
        &self.0.process
    }

    /// Runs a system call.
    pub(super) fn call<T>(
        &self,
        name: &'static str,
        body: impl FnMut(&Thread) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        system_call(&self.0.kernel.kern, &self.0.process, name, body)
    }

    /// The file of a descriptor.
    pub(super) fn file(&self, fd: Fd) -> Result<FileRef, Errno> {
        self.proc().files.lock().get(fd)
    }

    /// getpid(2).
    pub fn pid(&self) -> Pid {
        self.proc().pid
    }

    /// The kernel that it runs on.
    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// fork(2): a new process with the same open file descriptions. Kqueues are not inherited, and
    /// those with `KQUEUE_CPONFORK` are copied. The child has no thread of its own. Any thread can
    /// call its methods.
    ///
    /// # Errors
    ///
    /// None, except those of every system call.
    pub fn fork(&self) -> Result<Process, Errno> {
        self.call("fork", |td| {
            let (files, copying) = self.proc().files.lock().fork();
            let signals = self.proc().signals.fork();
            let child = self.kernel().procs.create(files, signals);
            for kqueue in copying {
                kqueue.finish(td, &child.files)?;
            }
            Ok(Process(Arc::new(Handle {
                kernel: self.kernel().clone(),
                process: child,
            })))
        })
    }

    /// exit(2): closes all descriptors. Later calls return [`Errno::KILLED`]; calls that are asleep
    /// are woken to do so, and waited for.
    pub fn exit(&self) {
        self.proc().end(&self.kernel().kern, ExitStatus::Exited);
        self.proc().wait_gone(&self.kernel().kern);
    }

    /// How the process ended; `None` while it lives.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.proc().status()
    }

    /// Runs `body` here, so that its system calls can be interrupted by `token`.
    pub fn interruptible<T>(&self, token: &Interrupt, body: impl FnOnce(&Process) -> T) -> T {
        let bound = token.bind(&this_thread(&self.kernel().kern));
        let result = body(self);
        drop(bound);
        result
    }

    /// See [`Kernel::check_memory`].
    pub(crate) fn check_memory(&self) -> Result<(), Box<Report>> {
        let checked = self.call("check_memory", |td| {
            Ok(td.kernel().check_memory(td, "check_memory")?)
        });
        match (checked, self.kernel().panic_report()) {
            (Err(_), Some(report)) => Err(Box::new(report)),
            _ => Ok(()),
        }
    }
}
