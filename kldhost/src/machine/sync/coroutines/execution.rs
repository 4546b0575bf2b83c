//! One run of a function on one schedule: waiting threads, the time, the steps, and the failure.
//!
//! For shuttle, all threads can always run. Waiting threads are removed here before its scheduler
//! chooses. This also applies to the thread in [`quiesce`], which runs only when no other thread
//! can.

mod state;

use std::cell::RefCell;
use std::ptr::null;
use std::time::Duration;

use shuttle::scheduler::{Task, TaskId};

use super::{Instant, choose};
use crate::machine::pcpu::{self, Running};
use state::{Execution, MAIN, Step};

/// The chance that a thread which may stay away does so is one in this number. So is the chance
/// that a thread comes back, instead of time passing.
const CHANCE: usize = 4;

/// An execution that takes more steps than this does not end.
const MAX_STEPS: usize = 20_000;

std::thread_local! {
    static EXECUTION: RefCell<Execution> = const { RefCell::new(Execution::new()) };
}

fn with<T>(body: impl FnOnce(&mut Execution) -> T) -> T {
    EXECUTION.with_borrow_mut(body)
}

/// A new execution begins.
pub fn begin() {
    // The last execution, if it has failed, has left its own.
    pcpu::set_running(Running::new(null()));
    with(|execution| {
        let steps = std::mem::take(&mut execution.steps);
        *execution = Execution::new();
        // The memory serves again.
        execution.steps = steps;
        execution.steps.clear();
        execution.names.push("main".to_string());
    });
}

/// Chooses the thread that runs next, by `choose` if there is a choice. `None` ends the execution,
/// which has failed.
pub fn next(
    unfinished: &[&Task],
    choose: impl FnOnce(&[&Task]) -> Option<TaskId>,
) -> Option<TaskId> {
    with(|execution| {
        let mut able = execution.able(unfinished);
        while able.is_empty() && !execution.away.is_empty() {
            execution.come_back(0);
            able = execution.able(unfinished);
        }
        if execution.quiescing && able.len() > 1 {
            able.retain(|task| usize::from(task.id()) != MAIN);
        }
        if execution.failure.is_none() && able.is_empty() {
            execution.failure = Some(format!(
                "no thread can run: {}",
                execution.places(unfinished)
            ));
        } else if execution.failure.is_none() && execution.steps.len() > MAX_STEPS {
            let places = execution.places(unfinished);
            execution.failure = Some(format!("it does not end after {MAX_STEPS} steps: {places}"));
        }
        if execution.failure.is_some() {
            execution.over = true;
            return None;
        }
        let next = if let [only] = able[..] {
            only.id()
        } else {
            choose(&able)?
        };
        execution.current = next.into();
        Some(next)
    })
}

/// Why the execution has failed, if it has.
pub fn failure() -> Option<String> {
    with(|execution| execution.failure.clone())
}

/// The steps so far, in readable form.
pub fn described_steps() -> Vec<String> {
    with(|execution| {
        let step = |&(thread, at): &Step| format!("{}: {at}", execution.name(thread));
        execution.steps.iter().map(step).collect()
    })
}

/// A hash of the steps, which distinguishes executions.
pub fn fingerprint() -> u64 {
    // FNV-1a.
    let mix = |hash: u64, &(thread, _): &Step| (hash ^ thread as u64).wrapping_mul(0x100_0000_01b3);
    with(|execution| execution.steps.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

/// The next thread to be started has this name.
pub(super) fn name_thread(name: &str) {
    with(|execution| execution.names.push(name.to_string()));
}

/// The number of the thread that runs.
pub(super) fn current() -> usize {
    with(|execution| execution.current)
}

pub(super) fn now() -> Instant {
    with(|execution| execution.now)
}

/// The number of steps so far. An earlier event has a smaller number.
pub fn steps() -> usize {
    with(|execution| execution.steps.len())
}

/// Another thread may run here. `at` names the place.
pub fn switch(at: &'static str) {
    let over = with(|execution| {
        execution.steps.push((execution.current, at));
        execution.over
    });
    if over {
        return;
    }
    let running = pcpu::running();
    // For shuttle, this is a switch and nothing else. Its yield_now() would make the scheduler
    // prefer other threads.
    shuttle::thread::sleep(Duration::ZERO);
    pcpu::set_running(running);
}

/// As [`switch`]. In addition, a thread that holds no mutex may by chance stay away, if `may`
/// returns true. It comes back when no other thread can run. By chance, time passes before that:
/// see [`quiesce`].
pub fn stay(at: &'static str, may: impl FnOnce() -> bool) {
    let me = current();
    let can = with(|execution| {
        me != MAIN && !execution.over && execution.locks.get(me).is_none_or(|&held| held == 0)
    });
    if !can || !may() || choose(CHANCE) != 0 {
        return switch(at);
    }
    with(|execution| {
        execution.steps.push((me, at));
        execution.away.push(me);
        execution.set_waiting(me, true);
    });
    switch("away");
}

/// Adds `change` to the number of mutexes that the running thread holds.
pub(super) fn count_lock(change: isize) {
    with(|execution| {
        let me = execution.current;
        if me >= execution.locks.len() {
            execution.locks.resize(me + 1, 0);
        }
        execution.locks[me] = execution.locks[me].saturating_add_signed(change);
    });
}

/// Waits for [`wake`], or until `deadline`.
pub(super) fn wait(at: &'static str, deadline: Option<Instant>) {
    let me = current();
    with(|execution| {
        assert!(!execution.over, "what is dropped after the end cannot wait");
        execution.set_waiting(me, true);
        execution
            .deadlines
            .extend(deadline.map(|deadline| (deadline, me)));
    });
    switch(at);
    with(|execution| execution.deadlines.retain(|&(_, thread)| thread != me));
}

/// Makes a thread able to run.
pub(super) fn wake(thread: usize) {
    with(|execution| execution.set_waiting(thread, false));
}

/// For the first thread: runs the others until all of them wait or have ended. Then `look` checks
/// the state. If a thread waits with a deadline, the time advances to the next deadline, and the
/// threads continue. Otherwise, this returns.
///
/// So a timeout cannot hide a missed wakeup: `look` has found the thread asleep before the time
/// advances. Only while a thread stays away, time advances without a check.
pub fn quiesce(mut look: impl FnMut() -> Result<(), String>) {
    loop {
        with(|execution| execution.quiescing = true);
        switch("quiesce");
        with(|execution| execution.quiescing = false);
        let away = with(|execution| execution.away.len());
        if away > 0 {
            if choose(CHANCE) == 0 || !advance() {
                let index = choose(away);
                with(|execution| execution.come_back(index));
            }
            continue;
        }
        if let Err(what) = look() {
            fail(what);
        }
        if !advance() {
            return;
        }
    }
}

/// Advances the clock to the next deadline, if there is one, and wakes the threads that have it.
fn advance() -> bool {
    with(|execution| {
        let Some(next) = execution
            .deadlines
            .iter()
            .map(|&(deadline, _)| deadline)
            .min()
        else {
            return false;
        };
        execution.now = execution.now.max(next);
        let due: Vec<usize> = execution
            .deadlines
            .iter()
            .filter(|(deadline, _)| *deadline <= next)
            .map(|&(_, thread)| thread)
            .collect();
        due.into_iter()
            .for_each(|thread| execution.set_waiting(thread, false));
        true
    })
}

/// Fails the execution. No thread runs after this, and nothing is unwound.
pub fn fail(what: String) -> ! {
    with(|execution| {
        execution.failure.get_or_insert(what);
    });
    loop {
        switch("failure");
    }
}
