//! Signals, as the threads of a process see them: `struct sigacts` and its use.

use super::thread::{Thread, Wait, Wake};
use crate::abi::errno::Errno;
use crate::abi::signal::{SigAction, Signal};
use crate::machine::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::machine::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize};

/// Signals are numbered from 1 to this, less one.
pub const NSIG: usize = 128;

/// The actions of a process on signals, and whether it is ending.
pub struct Signals {
    /// The action on each signal: see [`encode`].
    actions: [AtomicU8; NSIG],
    /// How often each handler has run.
    handled: [AtomicUsize; NSIG],
    /// Set when the process has begun to end.
    ending: AtomicBool,
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

/// The effect of a signal.
pub enum Effect {
    /// Nothing.
    Nothing,
    /// The process ends.
    End,
    /// The handler runs; a sleep that it interrupts ends with this.
    Handle(Errno),
}

impl Default for Signals {
    fn default() -> Signals {
        Signals {
            actions: [const { AtomicU8::new(0) }; NSIG],
            handled: [const { AtomicUsize::new(0) }; NSIG],
            ending: AtomicBool::new(false),
        }
    }
}

impl Signals {
    /// Those of a child that fork(2) makes: the actions are inherited.
    pub fn fork(&self) -> Signals {
        let child = Signals::default();
        for (to, from) in child.actions.iter().zip(&self.actions) {
            to.store(from.load(SeqCst), Relaxed);
        }
        child
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

    /// The process begins to end.
    pub fn end(&self) {
        self.ending.store(true, SeqCst);
    }

    /// Counts a run of the handler of this signal.
    pub fn handle(&self, number: usize) {
        self.handled[number].fetch_add(1, SeqCst);
    }

    /// The effect of this signal on the process.
    pub fn effect(&self, number: usize) -> Effect {
        match self.actions[number].load(SeqCst) {
            HANDLER => Effect::Handle(Errno::EINTR),
            HANDLER_RESTART => Effect::Handle(Errno::ERESTART),
            0 if !ignored_by_default(number) => Effect::End,
            _ => Effect::Nothing,
        }
    }
}

/// The signals that are discarded unless there is a handler. Job control is not implemented, so
/// these include the stop signals.
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
        let signals = self.signals();
        if signals.is_ending() {
            return Some(Errno::ERESTART);
        }
        (1..NSIG)
            .filter(|number| wait.pending & 1 << number != 0)
            .find_map(|number| match signals.effect(number) {
                Effect::Handle(error) => Some(error),
                Effect::Nothing | Effect::End => None,
            })
    }

    /// Takes the signals that were sent to this thread: their handlers run.
    pub fn take_signals(&self, signals: &Signals) {
        if !self.signalled.load(SeqCst) {
            return;
        }
        let mut wait = self.wait.lock();
        let pending = std::mem::take(&mut wait.pending);
        self.signalled.store(false, SeqCst);
        drop(wait);
        for number in (1..NSIG).filter(|number| pending & 1 << number != 0) {
            signals.handle(number);
        }
    }
}
