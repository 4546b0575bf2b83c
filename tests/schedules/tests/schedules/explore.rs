//! Runs a function on many schedules.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Once;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};

use kldhost_shuttle::sync::execution;

/// How schedules are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// At every switch, by chance.
    Random,
    /// By the priorities of threads, which change at a few random switches ("A Randomized Scheduler
    /// with Probabilistic Guarantees of Finding Bugs", Burckhardt and others, 2010).
    Pct,
}

/// The source of schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed {
    /// How they are chosen.
    pub strategy: Strategy,
    /// The seed of the random numbers.
    pub number: u64,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Strategy::Random => "random",
            Strategy::Pct => "pct",
        })
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.strategy, self.number)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Seed, String> {
        let strategy = match text.split_once(':') {
            Some(("random", _)) => Some(Strategy::Random),
            Some(("pct", _)) => Some(Strategy::Pct),
            _ => None,
        };
        let number = text
            .split_once(':')
            .and_then(|(_, number)| number.parse().ok());
        let seed = strategy
            .zip(number)
            .map(|(strategy, number)| Seed { strategy, number });
        seed.ok_or_else(|| "not a seed, such as random:17 or pct:17".to_owned())
    }
}

/// The number of schedules of one seed.
pub const BATCH: usize = 100;

/// The number of changes of priority in a schedule, plus one.
const PCT_DEPTH: usize = 4;

/// Large enough for the module and for kldhost below it. An inaccessible page stops an overflow.
const STACK: usize = 256 << 10;

/// The explored schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Explored {
    /// Schedules.
    pub schedules: usize,
    /// The number of different schedules.
    pub different: usize,
    /// Their steps, all together.
    pub steps: usize,
}

/// A schedule that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed that leads there.
    pub seed: Seed,
    /// The failure.
    pub what: String,
    /// The steps of all threads.
    pub steps: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The number of steps that are printed.
        const SHOWN: usize = 80;
        let skipped = self.steps.len().saturating_sub(SHOWN);
        writeln!(
            f,
            "{}\nseed {}; {} steps",
            self.what,
            self.seed,
            self.steps.len()
        )?;
        if skipped > 0 {
            writeln!(f, "  ...")?;
        }
        self.steps[skipped..]
            .iter()
            .try_for_each(|step| writeln!(f, "  {step}"))
    }
}

/// The results of the executions of [`explore`].
#[derive(Default)]
struct Log {
    explored: Cell<Explored>,
    seen: RefCell<HashSet<u64>>,
}

/// A scheduler that chooses only among threads that can run, and stops at the first failure.
struct Explorer<S> {
    inner: S,
    strategy: Strategy,
    begun: bool,
    log: Rc<Log>,
}

impl<S: Scheduler> Scheduler for Explorer<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.begun {
            self.log.seen.borrow_mut().insert(execution::fingerprint());
            self.log.explored.update(|so_far| Explored {
                schedules: so_far.schedules + 1,
                steps: so_far.steps + execution::steps(),
                ..so_far
            });
        }
        if self.begun && execution::failure().is_some() {
            // shuttle's random scheduler prints advice of its own, unless it is called until it has
            // no schedule left.
            while self.strategy == Strategy::Random && self.inner.new_execution().is_some() {}
            return None;
        }
        let schedule = self.inner.new_execution()?;
        self.begun = true;
        execution::begin();
        Some(schedule)
    }

    fn next_task(
        &mut self,
        unfinished: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        execution::next(unfinished, |able| {
            self.inner.next_task(able, current, is_yielding)
        })
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}

/// Runs `scenario` on `count` schedules, those of `first` and of the seeds that follow, [`BATCH`]
/// of each. It stops at the first failure: `scenario` has called
/// [`fail`](kldhost_shuttle::sync::fail), a thread panics, no thread can run, or the schedule does
/// not end. The same seed leads to the same schedules.
///
/// `scenario` runs on the first thread of each execution, and should wait until all others have
/// ended.
///
/// # Errors
///
/// The schedule that fails.
pub fn explore(
    first: Seed,
    count: usize,
    scenario: impl Fn() + Send + Sync + Clone + 'static,
) -> Result<Explored, Box<Failure>> {
    let log = Rc::default();
    for (number, done) in (first.number..).zip((0..count).step_by(BATCH)) {
        let seed = Seed { number, ..first };
        let count = BATCH.min(count - done);
        match seed.strategy {
            Strategy::Random => run(
                RandomScheduler::new_from_seed(number, count),
                &log,
                seed,
                scenario.clone(),
            ),
            Strategy::Pct => run(
                PctScheduler::new_from_seed(number, PCT_DEPTH, count),
                &log,
                seed,
                scenario.clone(),
            ),
        }?;
    }
    Ok(Explored {
        different: log.seen.borrow().len(),
        ..log.explored.get()
    })
}

thread_local! {
    /// The seed that is being run here.
    static SEED: Cell<Option<Seed>> = const { Cell::new(None) };
}

/// A panic below the module cannot unwind, and ends the process. The seed is therefore printed with
/// the message.
fn print_seed_of_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if let Some(seed) = SEED.get() {
                eprintln!("in a schedule of seed {seed}:");
            }
            before(panic);
        }));
    });
}

/// Runs `scenario` on the schedules of one seed.
fn run(
    inner: impl Scheduler + 'static,
    log: &Rc<Log>,
    seed: Seed,
    scenario: impl Fn() + Send + Sync + 'static,
) -> Result<(), Box<Failure>> {
    print_seed_of_panics();
    SEED.set(Some(seed));
    let mut config = Config::new();
    config.stack_size = STACK;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::None;
    let runner = Runner::new(
        Explorer {
            inner,
            strategy: seed.strategy,
            begun: false,
            log: log.clone(),
        },
        config,
    );
    let panic = catch_unwind(AssertUnwindSafe(|| runner.run(scenario))).err();
    SEED.set(None);
    let panic =
        panic.map(
            |panic| match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
                (Some(message), _) => message.clone(),
                (None, Some(message)) => (*message).to_owned(),
                (None, None) => "a thread has panicked".to_owned(),
            },
        );
    match panic.or_else(execution::failure) {
        None => Ok(()),
        Some(what) => Err(Box::new(Failure {
            seed,
            what,
            steps: execution::described_steps(),
        })),
    }
}
