//! Processes, `struct proc`: their life and their signals.

use super::fdtable::FdTable;
use super::report::Stop;
use super::thread::{Thread, Wait, Wake, this_thread};
use super::{Inner, Pid, pcpu};
use crate::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};
use crate::sync::{self, Arc, Mutex, SleepMutex};
use crate::syscall::errno::Errno;
use crate::syscall::{ExitStatus, SigAction, Signal};

/// Signals are numbered from 1 to this, less one.
const NSIG: usize = 128;

/// A process.
pub struct Proc {
    /// Its number.
    pub pid: Pid,
    /// Its open descriptors.
    pub files: SleepMutex<FdTable>,
    /// What it does on each signal: see [`encode`].
    actions: [AtomicU8; NSIG],
    /// How often each handler has run.
    handled: [AtomicUsize; NSIG],
    /// Threads in system calls, and those that are about to end it.
    active: AtomicUsize,
    /// Set when it has begun to end.
    ending: AtomicBool,
    /// Set by the thread that closes its descriptors.
    reaped: AtomicBool,
    /// Set when that is done.
    gone: AtomicBool,
    status: Mutex<Option<ExitStatus>>,
}

const HANDLER: u8 = 2;
const HANDLER_RESTART: u8 = 3;

fn encode(action: SigAction) -> u8 {
    match action {
        SigAction::Default => 0,
        SigAction::Ignore => 1,
        SigAction::Handler { restart: false } => HANDLER,
        SigAction::Handler { restart: true } => HANDLER_RESTART,
    }
}

/// What becomes of a signal.
enum Effect {
    Nothing,
    End,
    /// The handler runs; a sleep that it interrupts ends with this.
    Handle(Errno),
}

impl Proc {
    /// A process with these descriptors.
    pub fn new(pid: Pid, files: FdTable) -> Proc {
        Proc {
            pid,
            files: SleepMutex::new(files),
            actions: [const { AtomicU8::new(0) }; NSIG],
            handled: [const { AtomicUsize::new(0) }; NSIG],
            active: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
            reaped: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            status: Mutex::default(),
        }
    }

    /// As fork(2) makes the child: `files` are the child's already.
    pub fn fork(&self, pid: Pid, files: FdTable) -> Proc {
        let child = Proc::new(pid, files);
        for (to, from) in child.actions.iter().zip(&self.actions) {
            to.store(from.load(SeqCst), Relaxed);
        }
        child
    }

    /// How it ended.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.status.lock()
    }

    /// Whether it has begun to end.
    pub fn is_ending(&self) -> bool {
        self.ending.load(SeqCst)
    }

    /// How often the handler of `signal` has run.
    pub fn handled(&self, signal: Signal) -> usize {
        self.handled
            .get(signal.0 as usize)
            .map_or(0, |count| count.load(SeqCst))
    }

    /// sigaction(2).
    pub fn sigaction(&self, signal: Signal, action: SigAction) -> Result<(), Errno> {
        match usize::try_from(signal.0) {
            Ok(number @ 1..NSIG) if signal != Signal::KILL => {
                self.actions[number].store(encode(action), SeqCst);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn effect(&self, number: usize) -> Effect {
        match self.actions[number].load(SeqCst) {
            HANDLER => Effect::Handle(Errno::EINTR),
            HANDLER_RESTART => Effect::Handle(Errno::ERESTART),
            0 if !ignored_by_default(number) => Effect::End,
            _ => Effect::Nothing,
        }
    }

    /// Enters a system call of this process.
    ///
    /// # Errors
    ///
    /// KILLED if it has ended, or is about to.
    pub fn enter(self: &Arc<Proc>, kernel: &Arc<Inner>) -> Result<(), Errno> {
        self.active.fetch_add(1, SeqCst);
        if self.is_ending() {
            self.leave(kernel);
            return Err(Errno::KILLED);
        }
        Ok(())
    }

    /// Leaves it. The last one out of a process that ends closes its descriptors.
    pub fn leave(self: &Arc<Proc>, kernel: &Arc<Inner>) {
        if self.active.fetch_sub(1, SeqCst) == 1
            && self.is_ending()
            && !self.reaped.swap(true, SeqCst)
        {
            self.reap(kernel);
        }
    }

    /// Ends the process: its sleeping threads are woken, and its descriptors are closed once all
    /// threads are out.
    pub fn end(self: &Arc<Proc>, kernel: &Arc<Inner>, status: ExitStatus) {
        self.active.fetch_add(1, SeqCst);
        self.status.lock().get_or_insert(status);
        self.ending.store(true, SeqCst);
        for td in self.threads(kernel) {
            let mut wait = td.wait.lock();
            td.interrupt_sleep(&mut wait, Errno::ERESTART);
        }
        self.leave(kernel);
    }

    /// Whether its descriptors are closed.
    pub fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Waits until the descriptors of a process that ends are closed.
    pub fn wait_gone(&self, kernel: &Inner) {
        kernel
            .events
            .wait(None, || (self.is_gone() || kernel.is_dead()).then_some(()));
    }

    fn reap(self: &Arc<Proc>, kernel: &Arc<Inner>) {
        if !kernel.is_dead() {
            let td = this_thread(kernel);
            td.enter(self, "exit");
            if matches!(self.status(), Some(ExitStatus::Signaled(signal)) if signal.dumps_core()) {
                // Of no use to anybody once the kernel is dead, as closing is not.
                let _ = self.dump_kqueues(&td);
            }
            FdTable::close_all(&self.files);
            td.leave();
        }
        self.gone.store(true, SeqCst);
        kernel.events.notify();
    }

    fn threads(&self, kernel: &Inner) -> Vec<Arc<Thread>> {
        kernel
            .threads
            .all()
            .into_iter()
            .filter(|td| td.pid() == self.pid)
            .collect()
    }

    /// kill(2).
    pub fn kill(self: &Arc<Proc>, kernel: &Arc<Inner>, signal: Signal) {
        let Ok(number @ 1..NSIG) = usize::try_from(signal.0) else {
            return;
        };
        let error = match self.effect(number) {
            Effect::Nothing => return,
            Effect::End => return self.end(kernel, ExitStatus::Signaled(signal)),
            Effect::Handle(error) => error,
        };
        sync::switch("kill");
        let threads = self.threads(kernel);
        let asleep = threads.iter().find(|td| td.wait.lock().catch);
        let Some(td) = asleep.or(threads.first()) else {
            self.handled[number].fetch_add(1, SeqCst);
            return;
        };
        sync::switch("kill");
        let mut wait = td.wait.lock();
        wait.pending |= 1 << number;
        td.signalled.store(true, SeqCst);
        td.interrupt_sleep(&mut wait, error);
        drop(wait);
        sync::switch("kill");
        if td.pid() != self.pid {
            // It has left the kernel meanwhile. Either of us two takes the signal.
            td.take_signals(self);
        }
    }
}

/// The signals that are discarded unless there is a handler. Job control is not implemented, so the
/// stop signals, too.
fn ignored_by_default(number: usize) -> bool {
    matches!(number, 16..=23 | 28 | 29)
}

impl Thread {
    /// Ends its sleep with `error`, if it is in one that signals interrupt.
    pub fn interrupt_sleep(&self, wait: &mut Wait, error: Errno) -> bool {
        let sleeps = wait.catch && wait.wake.is_none();
        if sleeps {
            wait.wake = Some(Wake::Signal(error));
            self.woken.notify_one();
        }
        sleeps
    }

    /// For the thread itself, about to sleep: the error to return instead, if something interrupts
    /// it.
    pub fn signal_error(&self, wait: &mut Wait) -> Option<Errno> {
        if std::mem::take(&mut wait.interrupt) {
            return Some(Errno::EINTR);
        }
        let process = self.process();
        if process.is_ending() {
            return Some(Errno::ERESTART);
        }
        (1..NSIG)
            .filter(|number| wait.pending & 1 << number != 0)
            .find_map(|number| match process.effect(number) {
                Effect::Handle(error) => Some(error),
                Effect::Nothing | Effect::End => None,
            })
    }

    /// Takes the signals that were sent to this thread: their handlers run.
    pub fn take_signals(&self, process: &Proc) {
        if !self.signalled.load(SeqCst) {
            return;
        }
        let mut wait = self.wait.lock();
        let pending = std::mem::take(&mut wait.pending);
        self.signalled.store(false, SeqCst);
        drop(wait);
        for number in (1..NSIG).filter(|number| pending & 1 << number != 0) {
            process.handled[number].fetch_add(1, SeqCst);
        }
    }
}

/// Runs `body` as system call `name` of `process`, on the calling thread, as often as it says
/// ERESTART.
pub fn system_call<T>(
    kernel: &Arc<Inner>,
    process: &Arc<Proc>,
    name: &'static str,
    mut body: impl FnMut(&Thread) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let in_user_mode = pcpu::curthread().is_null();
    assert!(
        in_user_mode,
        "{name}(2) from within the kernel: hooks and callbacks must not make system calls"
    );
    kernel.check_alive()?;
    process.enter(kernel)?;
    let td = this_thread(kernel);
    td.enter(process, name);
    kernel.events.notify();
    let result = loop {
        sync::switch(name);
        kernel.data.update_ticks(kernel.boot);
        let result = body(&td);
        let result = if matches!(result, Err(Errno::PANICKED)) {
            result
        } else {
            returned(&td, name, result)
        };
        td.take_signals(process);
        match result {
            Err(Errno::ERESTART) if !process.is_ending() => {}
            result => break result,
        }
    };
    td.leave();
    td.take_signals(process);
    let ended = process.is_ending();
    process.leave(kernel);
    kernel.events.notify();
    match result {
        Err(Errno::PANICKED) => result,
        _ if ended => Err(Errno::KILLED),
        _ => result,
    }
}

/// The checks on return to user mode.
fn returned<T>(td: &Thread, name: &str, result: Result<T, Errno>) -> Result<T, Errno> {
    let checked: Result<(), Stop> = td.check_no_locks(name, 0);
    checked?;
    if td.own().stops.replace(0) != 0 {
        return Err(td
            .misuse_at(
                0,
                name,
                "returns to user mode with stop signals deferred",
                None,
            )
            .into());
    }
    result
}
