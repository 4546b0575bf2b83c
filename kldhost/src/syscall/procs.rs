//! The processes of a kernel, by number: `allproc`.

use super::Pid;
use super::process::Proc;
use crate::sync::{Arc, Mutex, Weak};

/// The processes of a kernel.
#[derive(Default)]
pub struct Procs(Mutex<Vec<Weak<Proc>>>);

impl Procs {
    /// Adds a process.
    pub fn add(&self, process: Proc) -> Arc<Proc> {
        let process = Arc::new(process);
        let mut all = self.0.lock();
        all.retain(|process| process.strong_count() > 0);
        all.push(Arc::downgrade(&process));
        process
    }

    /// The process with this number, if its descriptors are not closed yet.
    pub fn find(&self, pid: Pid) -> Option<Arc<Proc>> {
        let all = self.0.lock();
        all.iter()
            .filter_map(Weak::upgrade)
            .find(|process| process.pid == pid && !process.is_gone())
    }
}
