//! The state of a thread, and its wait message.

use super::{Thread, Wait};
use crate::abi::syscall::{Pid, Tid};

/// The state of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadState {
    /// Running in the kernel, or waiting for a mutex that another thread is about to release.
    Running,
    /// Asleep.
    Sleeping {
        /// Where, as ps(1) shows it: `echord`, `select`, `kqread`, `devdrn`, or the name of an sx
        /// lock.
        wmesg: String,
    },
}

/// A thread that is in a system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadInfo {
    /// Its process.
    pub pid: Pid,
    /// Its number.
    pub tid: Tid,
    /// Its state.
    pub state: ThreadState,
}

/// A wait message, cut to the available size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wmesg([u8; 24]);

impl Wmesg {
    /// From the bytes of a string.
    pub fn new(text: &[u8]) -> Wmesg {
        let mut bytes = [0; 24];
        let n = text.len().min(bytes.len());
        bytes[..n].copy_from_slice(&text[..n]);
        Wmesg(bytes)
    }
}

impl std::fmt::Display for Wmesg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = self.0.iter().position(|&b| b == 0).unwrap_or(self.0.len());
        f.write_str(&String::from_utf8_lossy(&self.0[..end]))
    }
}

impl Thread {
    /// The state of the thread, by its `wait`; `None` in user mode.
    pub fn info(&self, wait: &Wait) -> Option<ThreadInfo> {
        let pid = self.pid();
        let state = match wait.asleep {
            Some(wmesg) if wait.wake.is_none() => ThreadState::Sleeping {
                wmesg: wmesg.to_string(),
            },
            _ => ThreadState::Running,
        };
        (pid != 0).then_some(ThreadInfo {
            pid,
            tid: self.tid,
            state,
        })
    }
}
