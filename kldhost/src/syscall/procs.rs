//! The processes of a kernel, by number: `allproc`.

use super::proc::Proc;
use crate::abi::syscall::Pid;
use crate::dev::fdtable::FdTable;
use crate::kern::signal::Signals;
use crate::machine::sync::atomic::AtomicI32;
use crate::machine::sync::atomic::Ordering::Relaxed;
use crate::machine::sync::{Arc, Mutex, Weak};

/// The processes of a kernel.
pub struct Procs {
    all: Mutex<Vec<Weak<Proc>>>,
    next_pid: AtomicI32,
}

impl Default for Procs {
    fn default() -> Procs {
        Procs {
            all: Mutex::default(),
            next_pid: AtomicI32::new(100),
        }
    }
}

impl Procs {
    /// A new process with these descriptors and signals.
    pub fn create(&self, files: FdTable, signals: Signals) -> Arc<Proc> {
        let pid = self.next_pid.fetch_add(1, Relaxed);
        let process = Arc::new(Proc::new(pid, files, signals));
        let mut all = self.all.lock();
        all.retain(|process| process.strong_count() > 0);
        all.push(Arc::downgrade(&process));
        process
    }

    /// The process with this number, if its descriptors are not closed yet.
    pub fn find(&self, pid: Pid) -> Option<Arc<Proc>> {
        let all = self.all.lock();
        all.iter()
            .filter_map(Weak::upgrade)
            .find(|process| process.pid == pid && !process.is_gone())
    }
}
