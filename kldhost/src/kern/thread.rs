//! Threads, as the kernel sees them: `struct thread`.
//!
//! A thread of the operating system gets one for each kernel on which it makes system calls.

mod info;

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::null;

use super::Kern;
use super::lock::Held;
use super::module_call::Places;
use super::signal::Signals;
use super::uio::Arguments;
use crate::abi::errno::Errno;
use crate::abi::syscall::{Pid, Tid};
use crate::machine::entry::Frame;
use crate::machine::pcpu::{self, Running};
use crate::machine::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::machine::sync::atomic::{AtomicBool, AtomicI32};
use crate::machine::sync::{Arc, Condvar, Mutex, Weak, thread_local};

pub use info::{ThreadInfo, ThreadState, Wmesg};

/// A thread. Its address is the value of `curthread`, and the owner in lock words. The alignment
/// leaves the low bits of lock words free.
#[repr(C, align(64))]
pub struct Thread {
    /// In place of the fields that FreeBSD has here. A module that reads them finds null.
    opaque: [usize; 256],
    /// The number of the thread.
    pub tid: Tid,
    /// The number of its kernel.
    kernel_id: u64,
    kernel: Weak<Kern>,
    me: Weak<Thread>,
    /// The process whose system call it runs; 0 in user mode.
    pid: AtomicI32,
    /// Where it is in modules.
    pub places: Places,
    /// The sleep of the thread, and the signals sent to it.
    pub wait: Mutex<Wait>,
    /// Signalled when `wait.wake` is set.
    pub woken: Condvar,
    /// Whether a signal may be pending, to spare taking `wait`.
    pub signalled: AtomicBool,
    own: Own,
}

/// State that only the thread itself uses.
pub struct Own {
    /// Calls into the module that have not returned, outermost first.
    pub frames: RefCell<Vec<Frame>>,
    /// Locks held, oldest first.
    pub held: RefCell<Vec<Held>>,
    /// Pairs of locks whose order was checked: the first was held when the second was taken.
    pub ordered: RefCell<Vec<(usize, usize)>>,
    /// The value of the lock-order generation when `ordered` was valid.
    pub ordered_generation: Cell<usize>,
    /// The signals of the process whose system call it runs; null in user mode.
    signals: Cell<*const Signals>,
    /// The system call that it is in.
    pub syscall: Cell<&'static str>,
    /// `td_fpop`: the file whose device method runs; null if none. It belongs to the device layer.
    pub fpop: Cell<*const c_void>,
    /// The devices whose methods the thread is in.
    pub devices: RefCell<Vec<usize>>,
    /// `td_sel`: the request that selrecord(9) serves, in d_poll; null elsewhere. It is the device
    /// layer's.
    pub sel: Cell<*const c_void>,
    /// Whether the lock of a kqueue is held, while a filter's f_event runs.
    pub kq_locked: Cell<bool>,
    /// The memory that the process has passed to this system call.
    pub arguments: RefCell<Arguments>,
    /// In kldload(2): why MOD_LOAD failed, as printed, and its errno.
    pub mod_load: Cell<Option<(String, Errno)>>,
    /// How it takes stop signals, sigdeferstop(): 0, or a mode that it has to undo.
    pub stops: Cell<i32>,
    /// How often uiomove(9) has failed in this system call.
    pub uiomove_failures: Cell<u32>,
}

/// The sleep of a thread, and the signals sent to it.
#[derive(Default)]
pub struct Wait {
    /// Set while it sleeps, or is about to: whether signals interrupt it.
    pub catch: bool,
    /// Where it sleeps; `None` unless it does, with its lock released.
    pub asleep: Option<Wmesg>,
    /// Why it wakes up.
    pub wake: Option<Wake>,
    /// Signals sent to it that it has not taken, by number.
    pub pending: u128,
    /// Interrupted through [`Interrupt`](super::interrupt::Interrupt).
    pub interrupt: bool,
}

/// Why a thread wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// wakeup(9).
    Wakeup,
    /// A signal: EINTR or ERESTART.
    Signal(Errno),
    /// The kernel is dead.
    Dead,
}

// SAFETY: `opaque` is never written, and `own` is only used by the thread itself (see `own()`); the
// rest is Sync.
unsafe impl Sync for Thread {}
// SAFETY: the raw pointers in `own` are only used by the thread itself, in a system call, and are
// null outside of one.
unsafe impl Send for Thread {}

impl Thread {
    fn new(kernel: &Arc<Kern>, me: Weak<Thread>) -> Thread {
        Thread {
            me,
            opaque: [0; 256],
            tid: kernel.next_tid.fetch_add(1, Relaxed),
            kernel_id: kernel.id,
            kernel: Arc::downgrade(kernel),
            pid: AtomicI32::new(0),
            places: Places::default(),
            wait: Mutex::default(),
            woken: Condvar::new(),
            signalled: AtomicBool::new(false),
            own: Own {
                frames: RefCell::default(),
                held: RefCell::default(),
                ordered: RefCell::default(),
                ordered_generation: Cell::new(0),
                signals: Cell::new(null()),
                syscall: Cell::new(""),
                fpop: Cell::new(null()),
                devices: RefCell::default(),
                sel: Cell::new(null()),
                kq_locked: Cell::new(false),
                arguments: RefCell::default(),
                mod_load: Cell::new(None),
                stops: Cell::new(0),
                uiomove_failures: Cell::new(0),
            },
        }
    }

    /// State that only the thread itself uses.
    pub fn own(&self) -> &Own {
        debug_assert!(
            std::ptr::eq(pcpu::curthread(), self.curthread()),
            "a thread's own state is used by another thread"
        );
        &self.own
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kern {
        // SAFETY: a thread calls this in a system call, where its `Process` keeps the kernel alive.
        unsafe { &*self.kernel.as_ptr() }
    }

    /// The process whose system call it runs; 0 in user mode.
    pub fn pid(&self) -> Pid {
        self.pid.load(SeqCst)
    }

    /// The owning pointer to it.
    pub fn arc(&self) -> Arc<Thread> {
        self.me.upgrade().expect("a thread that runs exists")
    }

    /// For the thread itself: the signals of the process whose system call it runs.
    pub fn signals(&self) -> &Signals {
        let signals = self.own().signals.get();
        assert!(
            !signals.is_null(),
            "a thread in user mode has no system call"
        );
        // SAFETY: the caller of the system call keeps the process.
        unsafe { &*signals }
    }

    /// The address that modules use for it.
    pub fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// `pc_curthread`, while it is in the kernel.
    fn curthread(&self) -> *const c_void {
        std::ptr::from_ref(self).cast()
    }

    /// Whether no other thread has a reason to wait for this one. It holds no lock of a module, and
    /// is in no method of a device.
    pub fn is_free(&self) -> bool {
        self.own().held.borrow().is_empty() && self.own().devices.borrow().is_empty()
    }

    /// Enters the kernel, in a system call of process `pid`, which has these signals. They must
    /// stay in place until [`Thread::leave`].
    pub fn enter(&self, pid: Pid, signals: &Signals, syscall: &'static str) {
        self.pid.store(pid, SeqCst);
        pcpu::set_running(Running::new(self.curthread()));
        self.own.syscall.set(syscall);
        self.own.uiomove_failures.set(0);
        self.own.signals.set(signals);
    }

    /// Returns to user mode.
    pub fn leave(&self) {
        self.own.signals.set(null());
        pcpu::set_running(Running::new(null()));
        self.pid.store(0, SeqCst);
    }
}

/// The thread that calls, in a KPI function.
pub fn current<'a>() -> &'a Thread {
    let td = pcpu::curthread();
    assert!(
        !td.is_null(),
        "a KPI function was called outside of a system call"
    );
    // SAFETY: only `Thread::enter` sets it. The thread is kept alive by the system call that it is
    // in, below on this stack.
    unsafe { &*td.cast::<Thread>() }
}

impl Kern {
    /// All threads that have made a system call on this kernel.
    pub fn threads(&self) -> Vec<Arc<Thread>> {
        self.threads.all()
    }
}

/// All threads of a kernel.
#[derive(Default)]
pub struct Threads(Mutex<Vec<Arc<Thread>>>);

impl Threads {
    /// A copy of the list.
    pub fn all(&self) -> Vec<Arc<Thread>> {
        self.0.lock().clone()
    }
}

/// The kernel thread of a thread of the operating system. It is removed from the list of its kernel
/// when that thread ends.
struct Registered(Arc<Thread>);

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(kernel) = self.0.kernel.upgrade() {
            kernel
                .threads
                .0
                .lock()
                .retain(|td| !Arc::ptr_eq(td, &self.0));
        }
    }
}

thread_local! {
    static REGISTERED: RefCell<Vec<Registered>> = const { RefCell::new(Vec::new()) };
}

/// The kernel thread that represents the calling thread on this kernel.
pub fn this_thread(kernel: &Arc<Kern>) -> Arc<Thread> {
    REGISTERED.with(|registered| {
        let mut registered = registered.borrow_mut();
        if let Some(known) = registered.iter().find(|r| r.0.kernel_id == kernel.id) {
            return known.0.clone();
        }
        registered.retain(|r| r.0.kernel.strong_count() > 0);
        let td = Arc::new_cyclic(|me| Thread::new(kernel, me.clone()));
        kernel.threads.0.lock().push(td.clone());
        registered.push(Registered(td.clone()));
        td
    })
}
