//! The core of the kernel: threads and their locks, sleep queues, malloc(9), loaded files, and the
//! checks of witness(4). Reports of misuse by a module are also here.
//!
//! The layer has the name of FreeBSD's directory `sys/kern`. A module `core` would make `core::`
//! ambiguous in this crate.
//!
//! Uses `abi`, `image` and `machine`. [`Kern`] is the state of a kernel. [`Thread::kernel`] returns
//! it. It also contains the state of the device layer, which it cannot name.
//!
//! Locking: the lock of a sleep queue comes before [`Thread::wait`]. The mutexes of the console, of
//! witness, and of the lists of threads and files are leaves. The mutex of the heap is held while
//! addresses are looked up in the list of files.
//!
//! [`Thread::kernel`]: thread::Thread::kernel
//! [`Thread::wait`]: thread::Thread::wait

pub mod config;
mod cons;
mod data;
mod events;
pub mod interrupt;
mod kenv;
pub mod linker;
pub mod lock;
pub mod malloc;
pub mod module_call;
pub mod mtx;
pub mod report;
pub mod signal;
pub mod sleep;
pub mod sleepq;
pub mod sx;
pub mod thread;
pub mod timeout;
pub mod uio;
mod witness;

use std::any::Any;

use crate::abi::release::Release;
use crate::machine::fault;
use crate::machine::sync::atomic::Ordering::Relaxed;
use crate::machine::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};
use crate::machine::sync::{Instant, Mutex};
use config::{Config, KpiHook};
use report::Report;

/// The state of a kernel, as far as this layer has it.
pub struct Kern {
    /// Distinguishes kernels.
    id: u64,
    /// See [`Config::release`].
    pub release: Release,
    /// See [`Config::hook`].
    pub hook: Option<KpiHook>,
    /// When it was booted: uptime starts here.
    pub boot: Instant,
    /// Whether it has panicked.
    dead: AtomicBool,
    /// The first panic's report.
    report: Mutex<Option<Report>>,
    /// The console.
    pub console: cons::Console,
    kenv: kenv::Kenv,
    threads: thread::Threads,
    next_tid: AtomicI32,
    faults: uio::Faults,
    /// The sleeping threads.
    pub sleepq: sleepq::SleepQueues,
    /// For threads outside of the kernel that wait for a change in it.
    pub events: events::Events,
    /// Locks and their order.
    pub witness: witness::Witness,
    heap: malloc::Heap,
    /// Variables that modules refer to.
    pub data: data::KernelData,
    /// The loaded files.
    pub files: linker::Files,
    /// The state of the device layer.
    pub dev: Box<dyn Any + Send + Sync>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Kern {
    /// Boots a kernel. `dev` is the state of the device layer.
    pub fn new(config: Config, dev: Box<dyn Any + Send + Sync>) -> Kern {
        fault::install();
        fault::set_handler(report::module_fault);
        let kern = Kern {
            id: NEXT_ID.fetch_add(1, Relaxed),
            release: config.release,
            hook: config.hook,
            boot: Instant::now(),
            dead: AtomicBool::new(false),
            report: Mutex::default(),
            console: cons::Console::new(config.console),
            kenv: kenv::Kenv::new(config.tunables),
            threads: thread::Threads::default(),
            next_tid: AtomicI32::new(100_001),
            faults: uio::Faults::default(),
            sleepq: sleepq::SleepQueues::default(),
            events: events::Events::default(),
            witness: witness::Witness::default(),
            heap: malloc::Heap::new(config.memory),
            data: data::KernelData::new(config.release, config.memory),
            files: linker::Files::default(),
            dev,
        };
        kern.data
            .malloc_types()
            .iter()
            .for_each(|malloc_type| kern.malloc_init(malloc_type));
        kern
    }
}
