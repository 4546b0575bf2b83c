//! What goes into a kernel, and what it tells about itself.

use super::{Pid, Release, Tid};
use crate::image::LoadError;
use crate::sync::Arc;
use crate::syscall::abi::{Fd, Kevent};
use crate::syscall::errno::Errno;

/// What kind of kernel it shall be.
pub struct Config {
    /// Its release. Default: 15.0.
    pub release: Release,
    /// Bytes of memory that the machine has. Default: 512 MiB.
    pub memory: usize,
    /// Kernel environment (loader.conf(5)), for tunables: names and values.
    pub tunables: Vec<(String, String)>,
    /// Called at each KPI call of a module. `None` costs nothing.
    pub hook: Option<KpiHook>,
    /// Gets what is printed on the console, line by line.
    pub console: Option<ConsoleSink>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            release: Release::default(),
            memory: 512 << 20,
            tunables: Vec::new(),
            hook: None,
            console: None,
        }
    }
}

/// See [`Config::console`]. It runs on the thread that prints, and must not call into the kernel.
pub type ConsoleSink = Arc<dyn Fn(&str) + Send + Sync>;

/// See [`Config::hook`]. With `Some(value)` the function is not run and returns `value` instead: an
/// errno, a null pointer. It runs on the thread that calls, and must not make system calls; it may
/// send signals, start threads that make some, and wait until those are asleep.
///
/// It is also called in each step of a report of kqueues, as `sbuf_bcat`, while the knote is in
/// flux: its address is the second argument. A value makes that step fail.
pub type KpiHook = Arc<dyn Fn(&KpiCall) -> Option<i64> + Send + Sync>;

/// A KPI call that is about to happen.
#[derive(Debug, Clone, Copy)]
pub struct KpiCall {
    /// The function's symbol, such as `make_dev_s` or `_sx_xlock`.
    pub name: &'static str,
    /// Its first six integer or pointer arguments; beyond those that it has, garbage.
    pub args: [u64; 6],
}

/// Why kldload(2) failed.
#[derive(Debug, thiserror::Error)]
pub enum KldError {
    /// The file cannot be loaded: ENOEXEC, or not even read: ENOENT.
    #[error("{name}: {error}")]
    Image {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: LoadError,
    },
    /// The kernel refuses it.
    #[error("{name}: {error}{}", .detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused {
        /// The name of the file.
        name: String,
        /// The errno.
        error: Errno,
        /// What the kernel printed on the console about it.
        detail: Option<String>,
        /// What the module's MOD_LOAD handler returned, if it was that.
        mod_load: Option<Errno>,
    },
}

impl KldError {
    /// The errno that kldload(2) sets.
    pub fn errno(&self) -> Errno {
        match self {
            KldError::Image {
                error: LoadError::Unreadable(_),
                ..
            } => Errno::ENOENT,
            KldError::Image { .. } => Errno::ENOEXEC,
            KldError::Refused { error, .. } => *error,
        }
    }
}

/// A knote of a process, as `struct kinfo_knote` describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnoteInfo {
    /// The descriptor of its kqueue.
    pub kq: Fd,
    /// What is watched. The `data` are those of the last event.
    pub event: Kevent,
    /// `KNOTE_STATUS_*`.
    pub status: i32,
    /// What the filter has added, `knt_extdata`.
    pub extdata: i32,
}

/// Memory of one malloc(9) type in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MallocStats {
    /// Blocks in use.
    pub allocations: usize,
    /// Bytes asked for in these.
    pub bytes: usize,
}

/// A block of malloc(9) memory in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MallocBlock {
    /// Its address.
    pub addr: usize,
    /// The bytes asked for.
    pub size: usize,
}

/// Memory that was still in use when its malloc(9) type was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// The name of the type.
    pub malloc_type: String,
    /// How much.
    pub stats: MallocStats,
}

/// What a thread is doing.
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
    /// What it is doing.
    pub state: ThreadState,
}
