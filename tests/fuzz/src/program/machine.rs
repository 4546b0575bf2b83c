//! A kernel with the module, and the processes that a program runs on it.

use super::Seen;
use super::call::AnyFd;
use super::pending::Pending;
use super::perform::Done;
use super::stream::{Stream, Taking, Writer};
use super::waits::{Unloading, hash, hook};
use kldhost::sync::{Arc, Duration, Mutex};
use kldhost::{
    Config, Errno, FIONREAD, FIONWRITE, Fd, Kernel, KldId, O_NONBLOCK, O_RDONLY, POLLIN, POLLOUT,
    PollFd, PollWatch, Process, ThreadInfo, ThreadState,
};

/// The device that the module makes.
pub const DEVICE: &str = "/dev/echo";
/// The name of the loaded file.
const FILE: &str = "echodev.ko";
/// The module's malloc(9) type.
const MALLOC_TYPE: &str = "echodev";

/// Far more than any call takes. A call that takes longer hangs.
const BOUND: Duration = Duration::from_secs(30);

/// A process.
pub struct Slot {
    pub process: Process,
    /// The number of changes of its descriptors.
    pub generation: u32,
    /// One more than the highest descriptor that was ever open.
    pub end: Fd,
    /// Its kqueues.
    pub kqueues: Vec<Fd>,
}

impl Slot {
    /// A process with nothing open.
    pub fn new(process: Process) -> Slot {
        Slot {
            process,
            generation: 0,
            end: 0,
            kqueues: Vec::new(),
        }
    }

    /// The descriptor that a program refers to.
    pub fn descriptor(&self, fd: AnyFd) -> Fd {
        match fd {
            AnyFd::Open(number) => Fd::from(number) % self.end.max(1),
            AnyFd::Kqueue(number) => *self
                .kqueues
                .get(usize::from(number) % self.kqueues.len().max(1))
                .unwrap_or(&0),
            AnyFd::Number(number) => number.into(),
        }
    }
}

/// A kernel that runs a program.
pub struct Machine {
    pub kernel: Kernel,
    pub slots: Vec<Slot>,
    /// The calls that have not ended.
    pub pending: Vec<Pending>,
    pub watches: Vec<PollWatch>,
    pub seen: Seen,
    /// The next byte to be written.
    pub next: u8,
    module: &'static [u8],
    /// The number of the module's file, if it is loaded.
    loaded: Option<KldId>,
    /// A process for queries, and its descriptor of the device.
    observer: Process,
    probe: Option<Fd>,
    stream: Stream,
    /// Set while the module is unloaded.
    unloading: Arc<Mutex<Option<Unloading>>>,
}

/// A call that has ended, and what it wrote.
pub type Ended = (Done, Option<Writer>);

impl Machine {
    /// A kernel with the module loaded, and one process.
    pub fn boot(module: &'static [u8], bufsize: u8, seen: Seen) -> Machine {
        let unloading = Arc::default();
        let tunables = [
            ("hw.echodev.bufsize", bufsize.to_string()),
            ("hw.echodev.maxsize", "4096".to_owned()),
        ];
        let kernel = Kernel::new(Config {
            tunables: tunables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            hook: Some(hook(Arc::clone(&unloading), seen)),
            ..Config::default()
        });
        let (observer, slot) = (kernel.process(), Slot::new(kernel.process()));
        let mut machine = Machine {
            kernel,
            slots: vec![slot],
            pending: Vec::new(),
            watches: Vec::new(),
            seen,
            next: 0,
            module,
            loaded: None,
            observer,
            probe: None,
            stream: Stream::new(),
            unloading,
        };
        let process = machine.observer.clone();
        machine.load(&process);
        machine.settle(None);
        machine
    }

    /// kldload(2).
    pub fn load(&mut self, process: &Process) {
        match (process.kldload_bytes(FILE, self.module), self.loaded) {
            (Ok(id), None) => {
                self.loaded = Some(id);
                self.stream.clear();
            }
            (Err(error), Some(_)) if error.errno() == Errno::EEXIST => {}
            (result, loaded) => panic!("kldload(2) of {FILE}, loaded as {loaded:?}: {result:?}"),
        }
    }

    /// kldunload(2).
    pub fn unload(&mut self, process: &Process) {
        let Some(id) = self.loaded else { return };
        let in_kevent = self.pending.iter().any(|call| call.is_kevent);
        *self.unloading.lock() = Some(Unloading {
            kernel: self.kernel.clone(),
            in_kevent,
        });
        let result = process.kldunload(id);
        self.unloading.lock().take();
        self.check_panic();
        assert_eq!(result, Ok(()), "kldunload(2)");
        self.loaded = None;
        if let Some(probe) = self.probe.take() {
            // The result depends on the time since the device has gone.
            let _ = self.observer.close(probe);
        }
    }

    /// Records that a call has emptied the device.
    pub fn cleared(&mut self) {
        self.stream.clear();
    }

    /// Waits until every thread has returned or is asleep, and checks the results.
    pub fn settle(&mut self, ended: Option<Ended>) {
        self.wait_quiet();
        let mut ended: Vec<Ended> = ended.into_iter().collect();
        ended.extend(
            self.pending
                .extract_if(.., |call| call.is_done())
                .map(Pending::end),
        );
        for (done, _) in &ended {
            self.check(done.call, done.result);
        }
        if let Some(count) = self.held() {
            let reads = ended
                .iter_mut()
                .map(|(done, _)| std::mem::take(&mut done.bytes));
            let reads = reads.filter(|bytes| !bytes.is_empty()).collect();
            let done = ended
                .iter_mut()
                .filter_map(|(done, writer)| Some(taking(done.result, writer.as_mut()?)));
            let waiting = self
                .pending
                .iter_mut()
                .filter_map(|call| call.writer.as_mut());
            let writes = done
                .chain(waiting.map(|writer| Taking {
                    writer,
                    total: None,
                }))
                .collect();
            self.stream.update(reads, writes, count);
            (self.seen)((count + 1).ilog2());
        }
        self.check_sleepers();
    }

    fn wait_quiet(&self) {
        let asleep = |td: &ThreadInfo| matches!(td.state, ThreadState::Sleeping { .. });
        let waiting = || self.pending.iter().filter(|call| !call.is_done()).count();
        let quiet = |all: &[ThreadInfo]| all.len() == waiting() && all.iter().all(asleep);
        if let Err(why) = self.kernel.wait_threads(BOUND, quiet) {
            self.check_panic();
            panic!("a call neither returns nor sleeps: {why}");
        }
    }

    /// The number of bytes held, as the device reports it. `None` if there is no device.
    fn held(&mut self) -> Option<usize> {
        self.loaded?;
        let mut count = [0; 4];
        // Ours may have been revoked.
        while self
            .probe
            .is_none_or(|probe| self.observer.ioctl(probe, FIONREAD, &mut count).is_err())
        {
            self.check_panic();
            let probe = self
                .observer
                .open(DEVICE, O_RDONLY | O_NONBLOCK)
                .expect("a reader can always open the device");
            if let Some(old) = self.probe.replace(probe) {
                let _ = self.observer.close(old);
            }
        }
        Some(i32::from_ne_bytes(count) as usize)
    }

    /// Whether a write(2) of `room` bytes has to wait for room. With 0 bytes, whether a read(2) has
    /// to wait for bytes.
    pub fn has_to_wait(&self, room: usize) -> bool {
        let Some(probe) = self.probe else {
            return false;
        };
        if room == 0 {
            return self.observer.poll(&mut [PollFd::new(probe, POLLIN)], 0) == Ok(0);
        }
        let mut space = [0; 4];
        self.observer.ioctl(probe, FIONWRITE, &mut space).is_err()
            || (i32::from_ne_bytes(space) as usize) < room
    }

    /// Checks that no thread is asleep if its condition holds.
    fn check_sleepers(&self) {
        let threads = self.kernel.threads();
        for td in &threads {
            if let ThreadState::Sleeping { wmesg } = &td.state {
                (self.seen)(hash(wmesg));
            }
        }
        for (wmesg, events) in [("echord", POLLIN), ("echowr", POLLOUT)] {
            if !threads
                .iter()
                .any(|td| matches!(&td.state, ThreadState::Sleeping { wmesg: at } if at == wmesg))
            {
                continue;
            }
            let probe = self
                .probe
                .unwrap_or_else(|| panic!("a thread sleeps on {wmesg} in a module that is gone"));
            let ready = self.observer.poll(&mut [PollFd::new(probe, events)], 0);
            assert_eq!(
                ready,
                Ok(0),
                "a thread sleeps on {wmesg} for no reason: {threads:?}"
            );
        }
        for call in &self.pending {
            let slot = &self.slots[call.slot];
            // The call waits for the files that were open when it began.
            if slot.generation == call.generation
                && let Some(question) = &call.question
            {
                let answer = question.ask(&slot.process);
                assert_eq!(
                    answer,
                    Ok(0),
                    "a thread sleeps in poll(2) or select(2) for no reason: {threads:?}"
                );
            }
        }
        self.check_panic();
    }

    /// Ends everything. The processes end before the module is unloaded if `exit_first` is set, and
    /// after it otherwise.
    pub fn finish(mut self, exit_first: bool) {
        if exit_first {
            self.exit_all();
        }
        let process = self.observer.clone();
        self.unload(&process);
        self.settle(None);
        self.exit_all();
        assert!(
            self.pending.is_empty(),
            "a process has ended, but its calls have not: {:?}",
            self.kernel.threads()
        );
        self.watches.clear();
        if let Err(report) = self.kernel.check_memory() {
            panic!("{report}");
        }
        assert_eq!(
            self.kernel.leaks(),
            [],
            "memory is left of the unloaded module"
        );
        assert_eq!(
            self.kernel.malloc_stats(MALLOC_TYPE).allocations,
            0,
            "memory is left of the unloaded module"
        );
    }

    fn exit_all(&mut self) {
        for slot in &self.slots {
            slot.process.exit();
        }
        self.settle(None);
    }

    /// Checks that a call returned no errno, or one that a program can see.
    pub fn check<T>(&self, call: &str, result: Result<T, Errno>) {
        self.check_panic();
        let error = result.err().unwrap_or(Errno(0));
        let inner = [Errno::ERESTART, Errno::ENOIOCTL].contains(&error);
        assert!(
            error == Errno(0) || error.name().is_some() && !inner,
            "{call}(2) returns {error:?}"
        );
        (self.seen)(hash(call) ^ error.0 as u32);
    }

    /// Checks that no call has made the kernel panic.
    pub fn check_panic(&self) {
        if let Some(report) = self.kernel.panic_report() {
            panic!("{report}");
        }
    }
}

/// The bytes that a write has moved, according to its result.
fn taking(result: Result<usize, Errno>, writer: &mut Writer) -> Taking<'_> {
    let total = match result {
        Ok(total) => Some(total),
        // The bytes before the bad address have been moved, and the error does not report their
        // number.
        Err(Errno::EFAULT) => None,
        // It was asleep, and has moved nothing since the last check.
        Err(Errno::KILLED) => writer.taken,
        Err(_) => Some(0),
    };
    Taking { writer, total }
}
