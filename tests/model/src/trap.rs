//! A trap in the KPI, which does something at a certain call of the module.

use crate::call::{Call, Outcome};
use crate::perform::SIGNAL;
use crate::run::unload;
use crate::system::DONE;
use kldhost::{KpiCall, KpiHook, Process, ThreadState};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The calls that count.
pub type Filter = fn(&KpiCall) -> bool;

/// Far more than the start of an unload takes.
const LIMIT: Duration = Duration::from_secs(10);

/// The action of a trap.
pub enum Fault {
    /// kldunload(2) by this process. The module continues when the unload has to wait for it.
    Unload(Process, kldhost::KldId),
    /// A signal to the process that made the call.
    Signal,
}

/// A trap that is triggered once.
#[derive(Default)]
pub struct Trap {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    set: Option<Set>,
    /// The counted calls since it was set.
    calls: usize,
    triggered: Option<(Call, kldhost::Call<Outcome>)>,
    /// Whether the unloading thread has called the KPI.
    unloading: bool,
}

struct Set {
    filter: Filter,
    at: usize,
    fault: Fault,
}

thread_local! {
    /// This thread holds the module's lock.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
    /// This thread unloads.
    static UNLOADS: Cell<bool> = const { Cell::new(false) };
    /// The process that this thread makes a call for, and its number.
    static CALLER: RefCell<Option<(usize, Process)>> = const { RefCell::new(None) };
}

/// Makes a call for this process, whose number is `proc`.
pub fn as_caller<T>(proc: usize, process: &Process, call: impl FnOnce() -> T) -> T {
    CALLER.set(Some((proc, process.clone())));
    let result = call();
    CALLER.take();
    result
}

impl Trap {
    /// The hook that triggers it.
    pub fn hook(self: &Arc<Trap>) -> KpiHook {
        let trap = self.clone();
        Arc::new(move |call| {
            trap.called(call);
            None
        })
    }

    /// Sets it for the call number `at`, from 0, of the counted calls from now on.
    pub fn set(&self, filter: Filter, at: usize, fault: Fault) {
        let mut state = self.state();
        state.set = Some(Set { filter, at, fault });
        state.calls = 0;
    }

    /// Unsets it, and returns the number of counted calls since it was set.
    pub fn disarm(&self) -> usize {
        let mut state = self.state();
        state.set = None;
        state.calls
    }

    /// Returns its action once, after it was triggered.
    pub fn triggered(&self) -> Option<(Call, kldhost::Call<Outcome>)> {
        self.state().triggered.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics with the lock held")
    }

    fn called(&self, call: &KpiCall) {
        if UNLOADS.get() {
            self.state().unloading = true;
            self.changed.notify_all();
            return;
        }
        if let Some(fault) = self.triggers(call) {
            let done = self.trigger(fault);
            self.state().triggered = Some(done);
        }
        match call.name {
            "_sx_xlock" | "sx_try_xlock_" | "_sx_slock" => HOLDS.set(true),
            "_sx_xunlock" | "_sx_sunlock" => HOLDS.set(false),
            _ => {}
        }
    }

    fn triggers(&self, call: &KpiCall) -> Option<Fault> {
        let mut state = self.state();
        let set = state.set.as_ref().filter(|set| (set.filter)(call))?;
        let now = set.at == state.calls;
        state.calls += 1;
        if now {
            state.set.take().map(|set| set.fault)
        } else {
            None
        }
    }

    fn trigger(&self, fault: Fault) -> (Call, kldhost::Call<Outcome>) {
        match fault {
            Fault::Unload(process, id) => {
                let running = process.spawn(move |process| {
                    UNLOADS.set(true);
                    unload(process, Some(id))
                });
                self.let_it_begin(&process, &running);
                (Call::Unload, running)
            }
            Fault::Signal => CALLER.with_borrow(|caller| {
                let (target, process) = caller
                    .as_ref()
                    .expect("calls of the module are made by processes");
                process.kill(SIGNAL);
                (Call::Signal { target: *target }, process.spawn(|_| DONE))
            }),
        }
    }

    /// Waits until the unloading thread waits for this one, either for the lock or until it leaves
    /// the module.
    fn let_it_begin(&self, process: &Process, running: &kldhost::Call<Outcome>) {
        if HOLDS.get() {
            let deadline = Instant::now() + LIMIT;
            let mut state = self.state();
            while !state.unloading && Instant::now() < deadline {
                let waited = self.changed.wait_timeout(state, deadline - Instant::now());
                state = waited.expect("no thread panics with the lock held").0;
            }
        } else {
            let asleep = |td: &kldhost::ThreadInfo| {
                td.pid == process.pid() && td.state != ThreadState::Running
            };
            // Otherwise the run continues, and its failure shows the reason.
            let _came = process
                .kernel()
                .wait_threads(LIMIT, |all| running.is_done() || all.iter().any(asleep));
        }
    }
}
