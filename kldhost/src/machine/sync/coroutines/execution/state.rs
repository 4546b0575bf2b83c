//! The state of an execution.

use shuttle::scheduler::Task;

use crate::machine::sync::Instant;

/// The thread that an execution begins with, by its number.
pub const MAIN: usize = 0;

/// A step: a thread, by its number, has reached a switch, or waits.
pub type Step = (usize, &'static str);

pub struct Execution {
    /// The thread that runs.
    pub current: usize,
    /// The threads that wait, by number.
    pub waiting: Vec<bool>,
    /// Threads that stay away, by number: see [`stay`](super::stay). They also count as waiting.
    pub away: Vec<usize>,
    /// The number of [`super::SleepMutex`]es that each thread holds, by number.
    pub locks: Vec<usize>,
    pub names: Vec<String>,
    /// The first thread runs only if no other thread can.
    pub quiescing: bool,
    pub now: Instant,
    /// Until when threads wait at most.
    pub deadlines: Vec<(Instant, usize)>,
    pub steps: Vec<Step>,
    pub failure: Option<String>,
    /// The execution has ended. What is dropped from now on is dropped by shuttle.
    pub over: bool,
}

impl Execution {
    pub const fn new() -> Execution {
        Execution {
            current: MAIN,
            waiting: Vec::new(),
            away: Vec::new(),
            locks: Vec::new(),
            names: Vec::new(),
            quiescing: false,
            now: Instant::BOOT,
            deadlines: Vec::new(),
            steps: Vec::new(),
            failure: None,
            over: false,
        }
    }

    pub fn waits(&self, thread: usize) -> bool {
        self.waiting.get(thread).is_some_and(|&waits| waits)
    }

    pub fn set_waiting(&mut self, thread: usize, waits: bool) {
        if thread >= self.waiting.len() {
            self.waiting.resize(thread + 1, false);
        }
        self.waiting[thread] = waits;
    }

    pub fn come_back(&mut self, index: usize) {
        let thread = self.away.swap_remove(index);
        self.set_waiting(thread, false);
    }

    /// The threads that can run.
    pub fn able<'a>(&self, unfinished: &[&'a Task]) -> Vec<&'a Task> {
        unfinished
            .iter()
            .copied()
            .filter(|task| !self.waits(task.id().into()))
            .collect()
    }

    pub fn name(&self, thread: usize) -> &str {
        self.names.get(thread).map_or("?", String::as_str)
    }

    /// Where the threads are that have not ended.
    pub fn places(&self, unfinished: &[&Task]) -> String {
        let place = |task: &&Task| {
            let thread = usize::from(task.id());
            let last = self.steps.iter().rev().find(|(other, _)| *other == thread);
            format!(
                "{} at {}",
                self.name(thread),
                last.map_or("its start", |(_, at)| at)
            )
        };
        unfinished.iter().map(place).collect::<Vec<_>>().join(", ")
    }
}
