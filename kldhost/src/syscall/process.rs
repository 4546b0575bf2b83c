//! System calls, with the rules of FreeBSD's own layer: one method of [`Process`] each.

pub mod abi;
mod call;
pub mod errno;
mod fd;
mod ioctl;
mod kevent;
mod kld;
mod poll;
mod rw;
mod select;
mod signal;
pub mod usermem;

use crate::kernel::fdtable::FdTable;
use crate::kernel::file::FileRef;
use crate::kernel::process::{Proc, system_call};
use crate::kernel::thread::{Thread, this_thread};
use crate::kernel::{Interrupt, Kernel, Pid, Report};
use crate::sync::Arc;
use abi::Fd;
use errno::Errno;

pub use call::Call;
pub use ioctl::IoctlArg;
pub use poll::PollWatch;
pub use signal::{ExitStatus, SigAction, Signal};

/// A process. Clones are the same process; it exits when the last one is dropped.
///
/// Every system call may also return [`Errno::PANICKED`], and [`Errno::KILLED`] when the process
/// has ended.
#[derive(Clone)]
pub struct Process(Arc<Handle>);

/// What the clones share.
struct Handle {
    kernel: Kernel,
    process: Arc<Proc>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.process.end(&self.kernel.inner, ExitStatus::Exited);
    }
}

impl Process {
    pub(crate) fn new(kernel: &Kernel) -> Process {
        let process = Proc::new(kernel.inner.new_pid(), FdTable::default());
        let process = kernel.inner.procs.add(process);
        Process(Arc::new(Handle {
            kernel: kernel.clone(),
            process,
        }))
    }

    fn proc(&self) -> &Arc<Proc> {
        &self.0.process
    }

    /// Runs a system call.
    fn call<T>(
        &self,
        name: &'static str,
        body: impl FnMut(&Thread) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        system_call(&self.0.kernel.inner, &self.0.process, name, body)
    }

    /// The file behind a descriptor.
    fn file(&self, fd: Fd) -> Result<FileRef, Errno> {
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
    /// those with `KQUEUE_CPONFORK` are copied. The child has no thread: it is whoever calls its
    /// methods.
    ///
    /// # Errors
    ///
    /// None of its own.
    pub fn fork(&self) -> Result<Process, Errno> {
        self.call("fork", |td| {
            let (files, copying) = self.proc().files.lock().fork(td.kernel());
            let child = self.proc().fork(self.kernel().inner.new_pid(), files);
            let child = td.kernel().procs.add(child);
            for kqueue in copying {
                kqueue.finish(td, &child)?;
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
        self.proc().end(&self.kernel().inner, ExitStatus::Exited);
        self.proc().wait_gone(&self.kernel().inner);
    }

    /// How the process ended; `None` while it lives.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.proc().status()
    }

    /// Runs `body` here, so that its system calls can be interrupted by `token`.
    pub fn interruptible<T>(&self, token: &Interrupt, body: impl FnOnce(&Process) -> T) -> T {
        let bound = token.bind(&this_thread(&self.kernel().inner));
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
