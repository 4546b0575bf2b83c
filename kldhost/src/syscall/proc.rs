//! Processes, `struct proc`: their life, from the first system call to the end.

use crate::abi::errno::Errno;
use crate::abi::signal::{ExitStatus, Signal};
use crate::abi::syscall::Pid;
use crate::dev::fdtable::{FdTable, Files};
use crate::dev::kqueue::dump_kqueues;
use crate::kern::Kern;
use crate::kern::signal::{Effect, NSIG, Signals};
use crate::kern::thread::{Thread, this_thread};
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::atomic::{AtomicBool, AtomicUsize};
use crate::machine::sync::{self, Arc, Mutex};

/// A process.
pub struct Proc {
    /// Its number.
    pub pid: Pid,
    /// Its open descriptors.
    pub files: Files,
    /// Its signals.
    pub signals: Signals,
    /// Threads in system calls, and those that are about to end it.
    active: AtomicUsize,
    /// Set by the thread that closes its descriptors.
    reaped: AtomicBool,
    /// Set when that is done.
    gone: AtomicBool,
    status: Mutex<Option<ExitStatus>>,
}

impl Proc {
    /// A process with these descriptors.
    pub fn new(pid: Pid, files: FdTable, signals: Signals) -> Proc {
        Proc {
            pid,
            files: Files::new(files),
            signals,
            active: AtomicUsize::new(0),
            reaped: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            status: Mutex::default(),
        }
    }

    /// How it ended.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.status.lock()
    }

    /// Enters a system call of this process.
    ///
    /// # Errors
    ///
    /// KILLED if it has ended, or is about to.
    pub fn enter(self: &Arc<Proc>, kern: &Arc<Kern>) -> Result<(), Errno> {
        self.active.fetch_add(1, SeqCst);
        if self.signals.is_ending() {
            self.leave(kern);
            return Err(Errno::KILLED);
        }
        Ok(())
    }

    /// Leaves it. The last one out of a process that ends closes its descriptors.
    pub fn leave(self: &Arc<Proc>, kern: &Arc<Kern>) {
        if self.active.fetch_sub(1, SeqCst) == 1
            && self.signals.is_ending()
            && !self.reaped.swap(true, SeqCst)
        {
            self.reap(kern);
        }
    }

    /// Ends the process: its sleeping threads are woken, and its descriptors are closed once all
    /// threads are out.
    pub fn end(self: &Arc<Proc>, kern: &Arc<Kern>, status: ExitStatus) {
        self.active.fetch_add(1, SeqCst);
        self.status.lock().get_or_insert(status);
        self.signals.end();
        for td in self.threads(kern) {
            let mut wait = td.wait.lock();
            td.interrupt_sleep(&mut wait, Errno::ERESTART);
        }
        self.leave(kern);
    }

    /// Whether its descriptors are closed.
    pub fn is_gone(&self) -> bool {
        self.gone.load(SeqCst)
    }

    /// Waits until the descriptors of a process that ends are closed.
    pub fn wait_gone(&self, kern: &Kern) {
        kern.events
            .wait(None, || (self.is_gone() || kern.is_dead()).then_some(()));
    }

    fn reap(self: &Arc<Proc>, kern: &Arc<Kern>) {
        if !kern.is_dead() {
            let td = this_thread(kern);
            td.enter(self.pid, &self.signals, "exit");
            if matches!(self.status(), Some(ExitStatus::Signaled(signal)) if signal.dumps_core()) {
                // Once the kernel is dead, the result has no use, and neither has closing.
                let _ = dump_kqueues(&td, &self.files);
            }
            FdTable::close_all(&self.files);
            td.leave();
        }
        self.gone.store(true, SeqCst);
        kern.events.notify();
    }

    fn threads(&self, kern: &Kern) -> Vec<Arc<Thread>> {
        kern.threads()
            .into_iter()
            .filter(|td| td.pid() == self.pid)
            .collect()
    }

    /// kill(2).
    pub fn kill(self: &Arc<Proc>, kern: &Arc<Kern>, signal: Signal) {
        let Ok(number @ 1..NSIG) = usize::try_from(signal.0) else {
            return;
        };
        let error = match self.signals.effect(number) {
            Effect::Nothing => return,
            Effect::End => return self.end(kern, ExitStatus::Signaled(signal)),
            Effect::Handle(error) => error,
        };
        sync::switch("kill");
        let threads = self.threads(kern);
        let asleep = threads.iter().find(|td| td.wait.lock().catch);
        let Some(td) = asleep.or(threads.first()) else {
            self.signals.handle(number);
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
            // It has left the kernel since. One of the two threads takes the signal.
            td.take_signals(&self.signals);
        }
    }
}
