//! The kernel: what a module finds behind the KPI, and what the system calls are made of.

pub mod cdevpriv;
pub mod cons;
pub mod devfs;
pub mod device;
mod events;
pub mod fdtable;
pub mod file;
mod fileops;
mod info;
mod interrupt;
pub mod kenv;
mod kld;
pub mod kqueue;
pub mod lock;
pub mod malloc;
pub mod module_call;
pub mod mtx;
pub mod pcpu;
pub mod process;
pub mod procs;
mod release;
pub mod report;
pub mod select;
pub mod sleepq;
pub mod sx;
pub mod thread;
pub mod timeout;
pub mod uio;
pub mod witness;

use std::path::Path;

use crate::fault;
use crate::kpi;
use crate::kpi::layout::Lock;
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::atomic::{AtomicBool, AtomicI32, AtomicU64};
use crate::sync::{Arc, Duration, Instant, Mutex};
use crate::syscall::Process;
use crate::syscall::errno::Errno;

pub use devfs::DeviceNode;
pub use info::{
    Config, ConsoleSink, KldError, KnoteInfo, KpiCall, KpiHook, Leak, MallocBlock, MallocStats,
    ThreadInfo, ThreadState,
};
pub use interrupt::Interrupt;
pub use release::{NoSuchRelease, Release};
pub use report::Report;

/// The number of a process.
pub type Pid = i32;
/// The number of a thread.
pub type Tid = i32;
/// The number of a loaded file, as kldload(2) returns it.
pub type KldId = i32;

/// The state of a kernel.
pub struct Inner {
    /// Tells kernels apart.
    pub id: u64,
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
    /// What was printed.
    pub console: cons::Console,
    kenv: kenv::Kenv,
    threads: thread::Threads,
    next_tid: AtomicI32,
    next_pid: AtomicI32,
    /// The processes.
    pub procs: procs::Procs,
    faults: uio::Faults,
    /// Who sleeps.
    pub sleepq: sleepq::SleepQueues,
    /// For those outside who wait for something to happen.
    pub events: events::Events,
    /// Locks and their order.
    pub witness: witness::Witness,
    heap: malloc::Heap,
    devfs: devfs::Devfs,
    waiters: select::Waiters,
    /// The kqueues.
    pub kqueues: kqueue::Kqueues,
    /// The knlists.
    pub knlists: kqueue::Knlists,
    /// The lock of knlists that are initialised without one.
    pub knlist_lock: Box<Lock>,
    /// Variables that modules refer to.
    pub data: kpi::data::KernelData,
    klds: kld::Klds,
}

// SAFETY: the raw pointer in `knlist_lock` is a name; what changes is atomic or locked.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

/// A kernel. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel {
    pub(crate) inner: Arc<Inner>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Inner {
    /// The number of the next process.
    pub fn new_pid(&self) -> Pid {
        self.next_pid.fetch_add(1, Relaxed)
    }
}

impl Kernel {
    /// Boots a kernel.
    pub fn new(config: Config) -> Kernel {
        fault::install();
        fault::set_handler(module_fault);
        let inner = Inner {
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
            next_pid: AtomicI32::new(100),
            procs: procs::Procs::default(),
            faults: uio::Faults::default(),
            sleepq: sleepq::SleepQueues::default(),
            events: events::Events::default(),
            witness: witness::Witness::default(),
            heap: malloc::Heap::new(config.memory),
            devfs: devfs::Devfs::default(),
            waiters: select::Waiters::default(),
            kqueues: kqueue::Kqueues::default(),
            knlists: kqueue::Knlists::default(),
            knlist_lock: Box::new(kpi::new_mtx(c"knlist lock for lockless objects")),
            data: kpi::data::KernelData::new(config.release, config.memory),
            klds: kld::Klds::default(),
        };
        inner.witness.lock_initialised(inner.knlist_lock.addr());
        inner
            .data
            .malloc_types()
            .iter()
            .for_each(|malloc_type| inner.malloc_init(malloc_type));
        Kernel {
            inner: Arc::new(inner),
        }
    }

    /// A new process of user 0, child of init, with no descriptor open.
    pub fn process(&self) -> Process {
        Process::new(self)
    }

    /// kldload(8) by a process of its own: loads the module in file `path`, on the calling thread.
    ///
    /// # Errors
    ///
    /// See [`KldError`]. As in FreeBSD, a module whose MOD_LOAD fails has got MOD_UNLOAD, its
    /// sysuninits were run, and the errno is ENOEXEC; [`KldError::Refused`] has the module's own.
    pub fn kldload(&self, path: &Path) -> Result<KldId, KldError> {
        self.process().kldload(path)
    }

    /// As [`Kernel::kldload`], of a file that has been read.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::kldload`].
    pub fn kldload_bytes(&self, name: &str, bytes: &[u8]) -> Result<KldId, KldError> {
        self.process().kldload_bytes(name, bytes)
    }

    /// kldunload(8) by a process of its own, on the calling thread. The memory of the module stays
    /// mapped, but cannot be accessed any more, for as long as the kernel lives.
    ///
    /// # Errors
    ///
    /// ENOENT: no such id. Anything that the module's MOD_QUIESCE or MOD_UNLOAD returns.
    pub fn kldunload(&self, id: KldId) -> Result<(), Errno> {
        self.process().kldunload(id)
    }

    /// Why the kernel has panicked; `None` while it is fine.
    pub fn panic_report(&self) -> Option<Report> {
        self.inner.report.lock().clone()
    }

    /// Everything that was printed, by line: printf(9), log(9), and the kernel's own messages.
    pub fn console(&self) -> Vec<String> {
        self.inner.console.lines()
    }

    /// The threads that are in a system call now.
    pub fn threads(&self) -> Vec<ThreadInfo> {
        self.inner.thread_infos()
    }

    /// Waits until a thread of process `pid` sleeps on `wmesg`, and its lock is released.
    ///
    /// # Errors
    ///
    /// What the threads are doing instead, if that has not come true within ten seconds or the
    /// kernel has panicked.
    pub fn wait_asleep(&self, pid: Pid, wmesg: &str) -> Result<(), String> {
        let asleep = |td: &ThreadInfo| matches!(&td.state, ThreadState::Sleeping { wmesg: at } if at == wmesg);
        let found = self.wait_threads(Duration::from_secs(10), |all| {
            all.iter().any(|td| td.pid == pid && asleep(td))
        });
        found.map_err(|why| format!("process {pid} does not sleep on \"{wmesg}\": {why}"))
    }

    /// Waits until the threads in the kernel satisfy `condition`, which is asked each time a thread
    /// goes to sleep, wakes, or enters or leaves the kernel.
    ///
    /// # Errors
    ///
    /// What the threads are doing instead, if that has not come true within `limit` or the kernel
    /// has panicked.
    pub fn wait_threads(
        &self,
        limit: Duration,
        condition: impl Fn(&[ThreadInfo]) -> bool,
    ) -> Result<(), String> {
        self.inner.wait_threads(limit, &condition)
    }

    /// Ends each page fault on a hung mapping ([`UserMem::hung`](crate::UserMem::hung)), now and
    /// later.
    pub fn release_faults(&self) {
        self.inner.release_faults();
    }

    /// The memory in use under the malloc(9) type of this name (its short description).
    pub fn malloc_stats(&self, malloc_type: &str) -> MallocStats {
        self.inner.malloc_stats(malloc_type)
    }

    /// The blocks in use under this malloc(9) type, by time of allocation.
    pub fn malloc_blocks(&self, malloc_type: &str) -> Vec<MallocBlock> {
        self.inner.malloc_blocks(malloc_type)
    }

    /// Reads module memory: bytes of one malloc(9) block. `None` if they are not all within one
    /// block in use.
    pub fn peek(&self, addr: usize, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        // SAFETY: all `len` bytes at `from` are in a block in use.
        let copy = |from: *mut u8| unsafe { from.copy_to(bytes.as_mut_ptr(), len) };
        self.inner.with_memory(addr, len, copy)?;
        Some(bytes)
    }

    /// Changes module memory: bytes of one malloc(9) block. False, and nothing is done, if they are
    /// not all within one block in use. The module should not be running.
    pub fn poke(&self, addr: usize, bytes: &[u8]) -> bool {
        // SAFETY: all bytes at `to` are in a block in use.
        let copy = |to: *mut u8| unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
        self.inner.with_memory(addr, bytes.len(), copy).is_some()
    }

    /// Memory that was left when malloc(9) types were destroyed, oldest first.
    pub fn leaks(&self) -> Vec<Leak> {
        self.inner.leaks()
    }

    /// Looks for damage now that would else be found when the memory is freed, or at unload:
    /// overrun blocks, writes to freed ones.
    ///
    /// # Errors
    ///
    /// The report: the kernel panics if there is any.
    pub fn check_memory(&self) -> Result<(), Box<Report>> {
        self.process().check_memory()
    }
}

/// A fault in module code: the kernel panics, and the thread leaves the module.
fn module_fault(fault: &fault::FaultInfo) -> ! {
    let td = thread::current();
    td.fault(fault);
    module_call::leave(td)
}
