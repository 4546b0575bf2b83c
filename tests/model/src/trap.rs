//! A trap in the KPI: at some call of the module, something happens.

use crate::call::{Call, Outcome};
use crate::perform::SIGNAL;
use crate::run::unload;
use crate::system::DONE;
use kldhost::{KpiCall, KpiHook, Process, ThreadState};
use std::cell::{Cell, RefCell};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Which calls count.
pub type Filter = fn(&KpiCall) -> bool;

/// Far more than it takes to begin an unload.
const LIMIT: Duration = Duration::from_secs(10);

/// What happens.
pub enum Deed {
    /// kldunload(2), by this process. The module goes on when that has come as far as it can
    /// without it.
    Unload(Process, kldhost::KldId),
    /// A signal to whoever made the call.
    Signal,
}

/// A trap that springs once.
#[derive(Default)]
pub struct Trap {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    set: Option<Set>,
    /// The calls made since it was set that count.
    calls: usize,
    sprung: Option<(Call, kldhost::Call<Outcome>)>,
    /// Whether the unloading thread has called the KPI.
    unloading: bool,
}

struct Set {
    filter: Filter,
    at: usize,
    deed: Deed,
}

thread_local! {
    /// This thread holds the module's lock.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
    /// This thread unloads.
    static UNLOADS: Cell<bool> = const { Cell::new(false) };
    /// The process that this thread makes a call for, and its number.
    static CALLER: RefCell<Option<(usize, Process)>> = const { RefCell::new(None) };
}

/// Makes a call for this process, whose number is `who`.
pub fn as_caller<T>(who: usize, process: &Process, call: impl FnOnce() -> T) -> T {
    CALLER.set(Some((who, process.clone())));
    let result = call();
    CALLER.take();
    result
}

impl Trap {
    /// The hook that springs it.
    pub fn hook(self: &Arc<Trap>) -> KpiHook {
        let trap = self.clone();
        Arc::new(move |call| {
            trap.called(call);
            None
        })
    }

    /// It is to spring at the call number `at`, from 0, of those that count, from now on.
    pub fn set(&self, filter: Filter, at: usize, deed: Deed) {
        let mut state = self.state();
        state.set = Some(Set { filter, at, deed });
        state.calls = 0;
    }

    /// It does not spring any more. The calls that counted since it was set.
    pub fn disarm(&self) -> usize {
        let mut state = self.state();
        state.set = None;
        state.calls
    }

    /// What was done, once, after it has sprung.
    pub fn sprung(&self) -> Option<(Call, kldhost::Call<Outcome>)> {
        self.state().sprung.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn called(&self, call: &KpiCall) {
        if UNLOADS.get() {
            self.state().unloading = true;
            self.changed.notify_all();
            return;
        }
        if let Some(deed) = self.springs(call) {
            let done = self.spring(deed);
            self.state().sprung = Some(done);
        }
        match call.name {
            "_sx_xlock" | "sx_try_xlock_" | "_sx_slock" => HOLDS.set(true),
            "_sx_xunlock" | "_sx_sunlock" => HOLDS.set(false),
            _ => {}
        }
    }

    fn springs(&self, call: &KpiCall) -> Option<Deed> {
        let mut state = self.state();
        let set = state.set.as_ref().filter(|set| (set.filter)(call))?;
        let now = set.at == state.calls;
        state.calls += 1;
        if now {
            state.set.take().map(|set| set.deed)
        } else {
            None
        }
    }

    fn spring(&self, deed: Deed) -> (Call, kldhost::Call<Outcome>) {
        match deed {
            Deed::Unload(process, id) => {
                let running = process.spawn(move |process| {
                    UNLOADS.set(true);
                    unload(process, Some(id))
                });
                self.let_it_begin(&process, &running);
                (Call::Unload, running)
            }
            Deed::Signal => CALLER.with_borrow(|caller| {
                let (target, process) = caller
                    .as_ref()
                    .expect("calls of the module are made by processes");
                process.kill(SIGNAL);
                (Call::Signal { target: *target }, process.spawn(|_| DONE))
            }),
        }
    }

    /// Waits until the unloading thread waits for this one: for the lock, or for it to leave the
    /// module.
    fn let_it_begin(&self, process: &Process, running: &kldhost::Call<Outcome>) {
        if HOLDS.get() {
            let deadline = Instant::now() + LIMIT;
            let mut state = self.state();
            while !state.unloading && Instant::now() < deadline {
                let waited = self.changed.wait_timeout(state, deadline - Instant::now());
                state = waited.expect("nobody panics with it").0;
            }
        } else {
            let asleep = |td: &kldhost::ThreadInfo| {
                td.pid == process.pid() && td.state != ThreadState::Running
            };
            // If it does not come to that, the run goes on, and shows why.
            let _came = process
                .kernel()
                .wait_threads(LIMIT, |all| running.is_done() || all.iter().any(asleep));
        }
    }
}
