//! The configuration of a kernel.

use crate::abi::release::Release;
use crate::machine::sync::Arc;

/// The configuration of a kernel.
pub struct Config {
    /// Its release. Default: 15.0.
    pub release: Release,
    /// Bytes of memory that the machine has. Default: 512 MiB.
    pub memory: usize,
    /// Kernel environment (loader.conf(5)), for tunables: names and values.
    pub tunables: Vec<(String, String)>,
    /// Called at each KPI call of a module. `None` costs nothing.
    pub hook: Option<KpiHook>,
    /// Gets the lines of the console, one by one.
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
