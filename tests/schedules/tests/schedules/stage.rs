//! Where a scenario plays: a kernel with the module, processes and threads.

mod rules;

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use kldhost_shuttle::sync::{self, choose, fail};
use kldhost_shuttle::{
    Config, Errno, Fd, Kernel, KldId, KpiHook, O_NONBLOCK, O_RDONLY, O_WRONLY, Pid, Process, Signal,
};

use crate::bytes::Bytes;
use crate::roles::start_leaver;

/// The device.
pub const PATH: &str = "/dev/echo";

/// The event that a thread in poll(2) or kevent(2) waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A byte, or the end of the file because there is no writer.
    Read,
    /// Room.
    Write,
}

/// The configuration of a stage.
#[derive(Clone)]
pub struct Setup {
    /// The module's file.
    pub module: Arc<Vec<u8>>,
    /// The size of the device's buffer, in bytes.
    pub bufsize: usize,
    /// Whether a thread unloads the module while the scenario plays.
    pub unload: bool,
    /// Called at each KPI call.
    pub hook: Option<KpiHook>,
}

/// A kernel with the module loaded. Clones are the same stage.
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    kernel: Kernel,
    module: KldId,
    /// Whether a thread unloads the module while the scenario plays.
    unload: bool,
    /// Set when that is about to happen, and when it has happened.
    unloading: AtomicBool,
    unloaded: AtomicBool,
    /// The process that queries the device.
    probe: Mutex<(Process, Fd)>,
    /// All processes. Their open files stay open when their threads end.
    processes: Mutex<Vec<Process>>,
    /// Descriptors that are open for writing.
    writers: AtomicUsize,
    /// Set when revoke(2) is about to be called, and when it was.
    revoking: AtomicBool,
    revoked: AtomicBool,
    /// Whether kqueues are reported.
    reports: AtomicBool,
    /// Threads that have not ended, by name.
    unfinished: Mutex<Vec<String>>,
    /// The failures of the threads.
    wrong: Mutex<Vec<String>>,
    /// The events that they wait for in poll(2) or kevent(2), by process.
    wanted: Mutex<Vec<(Pid, Side)>>,
    /// How many signals each process was sent.
    signals: Mutex<Vec<(Process, Signal, usize)>>,
    bytes: Bytes,
}

/// A process with the device open.
fn open(kernel: &Kernel, flags: i32) -> (Process, Fd) {
    let process = kernel.process();
    match (process.open(PATH, flags), kernel.panic_report()) {
        (Ok(fd), _) => (process, fd),
        (Err(_), Some(report)) => fail(report.to_string()),
        (Err(error), None) => fail(format!("open: {error}")),
    }
}

impl Stage {
    /// Boots a kernel, and loads the module.
    pub fn new(setup: &Setup) -> Stage {
        let tunables = vec![("hw.echodev.bufsize".to_owned(), setup.bufsize.to_string())];
        let kernel = Kernel::new(Config {
            tunables,
            hook: setup.hook.clone(),
            ..Config::default()
        });
        let module = match kernel.kldload_bytes("echodev.ko", &setup.module) {
            Ok(module) => module,
            Err(error) => fail(format!("kldload: {error}")),
        };
        let probe = open(&kernel, O_RDONLY | O_NONBLOCK);
        Stage(Arc::new(Inner {
            kernel,
            module,
            unload: setup.unload,
            unloading: AtomicBool::new(setup.unload),
            unloaded: AtomicBool::new(false),
            probe: Mutex::new(probe),
            processes: Mutex::default(),
            writers: AtomicUsize::new(0),
            revoking: AtomicBool::new(false),
            revoked: AtomicBool::new(false),
            reports: AtomicBool::new(false),
            unfinished: Mutex::default(),
            wrong: Mutex::default(),
            wanted: Mutex::default(),
            signals: Mutex::default(),
            bytes: Bytes::default(),
        }))
    }

    /// The bytes that pass.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// A process with the device open for reading.
    pub fn reader(&self, flags: i32) -> (Process, Fd) {
        self.open(O_RDONLY | flags)
    }

    /// A process with the device open for writing.
    pub fn writer(&self, flags: i32) -> (Process, Fd) {
        let opened = self.open(O_WRONLY | flags);
        self.0.writers.fetch_add(1, SeqCst);
        opened
    }

    fn open(&self, flags: i32) -> (Process, Fd) {
        let (process, fd) = open(&self.0.kernel, flags);
        self.0.processes.lock().unwrap().push(process.clone());
        (process, fd)
    }

    /// open(2) for writing, by a thread that may be too late.
    pub fn open_writer(&self, process: &Process) -> Result<Option<Fd>, String> {
        match process.open(PATH, O_WRONLY) {
            Ok(fd) => {
                self.0.writers.fetch_add(1, SeqCst);
                Ok(Some(fd))
            }
            Err(error) if self.is_gone(error) => Ok(None),
            Err(error) => Err(format!("open: {error}")),
        }
    }

    /// close(2) of a descriptor that [`Stage::writer`] or [`Stage::open_writer`] has opened.
    pub fn close_writer(&self, process: &Process, fd: Fd) -> Result<(), String> {
        self.close(process, fd)?;
        self.0.writers.fetch_sub(1, SeqCst);
        Ok(())
    }

    /// close(2).
    pub fn close(&self, process: &Process, fd: Fd) -> Result<(), String> {
        match process.close(fd) {
            Ok(()) => Ok(()),
            Err(error) if self.is_gone(error) => Ok(()),
            Err(error) => Err(format!("close: {error}")),
        }
    }

    /// revoke(2). From now on, calls may fail as on a destroyed device.
    pub fn revoke(&self, process: &Process) -> Result<(), String> {
        self.0.revoking.store(true, SeqCst);
        match process.revoke(PATH) {
            Ok(()) => self.0.revoked.store(true, SeqCst),
            Err(error) if self.0.unload && error == Errno::ENOENT => {}
            Err(error) => return Err(format!("revoke: {error}")),
        }
        Ok(())
    }

    /// Whether a call may fail like this, since the module is being unloaded, or the device was
    /// revoked.
    pub fn is_gone(&self, error: Errno) -> bool {
        (self.0.unloading.load(SeqCst) || self.0.revoking.load(SeqCst))
            && matches!(
                error,
                Errno::ENXIO | Errno::EIO | Errno::ENOENT | Errno::ENOTTY
            )
    }

    /// Whether the module is unloaded during the scenario. Threads then have to close their
    /// descriptors.
    pub fn unloads(&self) -> bool {
        self.0.unload
    }

    /// Starts a thread. It must end before the scenario does.
    pub fn spawn(
        &self,
        name: &str,
        body: impl FnOnce(&Stage) -> Result<(), String> + Send + 'static,
    ) {
        self.0.unfinished.lock().unwrap().push(name.to_owned());
        let (stage, name) = (self.clone(), name.to_owned());
        sync::spawn(name.clone(), move || {
            if let Err(what) = body(&stage) {
                stage
                    .0
                    .wrong
                    .lock()
                    .unwrap()
                    .push(format!("{name}: {what}"));
            }
            let mut unfinished = stage.0.unfinished.lock().unwrap();
            if let Some(at) = unfinished.iter().position(|other| *other == name) {
                unfinished.remove(at);
            }
        });
    }

    /// Records the events that the threads of `process` wait for in poll(2) and kevent(2).
    pub fn wants(&self, process: &Process, side: Side) {
        self.0.wanted.lock().unwrap().push((process.pid(), side));
    }

    /// kill(2), of a process that handles the signal.
    pub fn kill(&self, process: &Process, signal: Signal) {
        let mut signals = self.0.signals.lock().unwrap();
        match signals
            .iter_mut()
            .find(|(other, of, _)| other.pid() == process.pid() && *of == signal)
        {
            Some((_, _, sent)) => *sent += 1,
            None => signals.push((process.clone(), signal, 1)),
        }
        drop(signals);
        process.kill(signal);
    }

    /// Starts a thread that has the kqueues of a process reported.
    pub fn start_report(&self, pid: Pid) {
        self.0.reports.store(true, SeqCst);
        let process = self.0.kernel.process();
        self.spawn("report", move |_| match process.report_kqueues(pid) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("kern.proc.kq: {error}")),
        });
    }

    /// Starts the thread that unloads the module. In half of the schedules, another thread leaves
    /// the device at the same time.
    pub fn start_unload(&self) {
        self.0.unloading.store(true, SeqCst);
        if choose(2) == 0
            && let Err(what) = start_leaver(self)
        {
            fail(what);
        }
        self.spawn("unload", |stage| {
            let unloaded = stage.0.kernel.kldunload(stage.0.module);
            unloaded.map_err(|error| format!("kldunload: {error}"))?;
            stage.0.unloaded.store(true, SeqCst);
            Ok(())
        });
    }
}
