//! A kernel, as the users of this crate have it: its processes, threads and devices.

use super::Process;
use super::procs::Procs;
use crate::dev::Dev;
use crate::dev::devfs::DeviceNode;
use crate::kern::Kern;
use crate::kern::report::Report;
use crate::kern::thread::ThreadInfo;
use crate::machine::sync::{Arc, Duration};

/// A kernel. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) kern: Arc<Kern>,
    pub(super) procs: Arc<Procs>,
}

impl Kernel {
    /// A kernel with this state, and no process.
    pub(crate) fn with(kern: Kern) -> Kernel {
        Kernel {
            kern: Arc::new(kern),
            procs: Arc::default(),
        }
    }

    /// A new process of user 0, child of init, with no descriptor open.
    pub fn process(&self) -> Process {
        Process::new(self)
    }

    /// The devices in `/dev`, by name.
    pub fn devices(&self) -> Vec<DeviceNode> {
        Dev::of(&self.kern).devfs.nodes()
    }

    /// Why the kernel has panicked; `None` while it is fine.
    pub fn panic_report(&self) -> Option<Report> {
        self.kern.panic_report()
    }

    /// The threads that are in a system call now.
    pub fn threads(&self) -> Vec<ThreadInfo> {
        self.kern.thread_infos()
    }

    /// Waits until the threads in the kernel satisfy `condition`. It is checked each time a thread
    /// goes to sleep, wakes up, or enters or leaves the kernel.
    ///
    /// # Errors
    ///
    /// The state of the threads, if this does not happen within `limit`, or if the kernel has
    /// panicked.
    pub fn wait_threads(
        &self,
        limit: Duration,
        condition: impl Fn(&[ThreadInfo]) -> bool,
    ) -> Result<(), String> {
        self.kern.wait_threads(limit, &condition)
    }
}
