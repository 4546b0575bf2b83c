//! The explorer must find bugs. A kernel that drops certain KPI calls has the effect of a module
//! that forgets them. The seed of a failure must lead to the same failure again.

use std::sync::Arc;

use crate::explore::{BATCH, Seed, Strategy};
use kldhost_shuttle::KpiCall;

use crate::play;
use crate::scenarios::Scenario;
use crate::stage::Setup;

/// A call that is swallowed.
#[derive(Clone, Copy)]
pub struct Broken {
    /// The start of the function's name.
    pub call: &'static str,
    /// The scenario in which the bug must be found.
    pub scenario: &'static str,
    /// Whether the module is unloaded during the scenario.
    pub unload: bool,
    /// By which strategies; one may need more luck than another.
    strategies: &'static [Strategy],
    /// The text that the failure must contain.
    expected: &'static str,
}

const fn broken(call: &'static str, scenario: &'static str, expected: &'static str) -> Broken {
    Broken {
        call,
        scenario,
        unload: false,
        strategies: &[Strategy::Random, Strategy::Pct],
        expected,
    }
}

/// All of them.
pub const ALL: [Broken; 12] = [
    broken("wakeup", "crowd", "lost wakeup"),
    broken("wakeup", "last_close", "0 writers"),
    broken("wakeup_one", "read_once", "sleeps on echord"),
    broken("wakeup_one", "write_once", "sleeps on echowr"),
    broken("wakeup_one", "resize", "sleeps on echowr"),
    broken("selwakeup", "poll", "sleeps on select"),
    broken("knote", "kevent", "sleeps on kqread"),
    broken("_sx_xunlock", "crowd", "d_open"),
    broken("uiomove", "crowd", "of writer"),
    broken("free", "signal_reader", "something is left"),
    Broken {
        unload: true,
        ..broken("wakeup", "signal_writer", "unload")
    },
    Broken {
        unload: true,
        ..broken("knlist_cleardel", "kqueue_of_two", "knotes")
    },
];

/// The number of schedules within which the bug must be found.
const ENOUGH: usize = 2000;

impl Broken {
    /// Finds it, and finds it again.
    ///
    /// # Errors
    ///
    /// The failure that was not found, or that differs the second time.
    pub fn find(self, scenario: Scenario, setup: &Setup) -> Result<(), String> {
        let swallow = move |call: &KpiCall| call.name.starts_with(self.call).then_some(0);
        let setup = Setup {
            hook: Some(Arc::new(swallow)),
            unload: self.unload,
            ..setup.clone()
        };
        for &strategy in self.strategies {
            let Err(failure) = play(
                scenario,
                &setup,
                Seed {
                    strategy,
                    number: 1,
                },
                ENOUGH,
            ) else {
                return Err(format!(
                    "without {}(9), {ENOUGH} {strategy} schedules went well",
                    self.call
                ));
            };
            if !failure.what.contains(self.expected) {
                return Err(format!(
                    "the failure should contain \"{}\": {failure}",
                    self.expected
                ));
            }
            let again = play(scenario, &setup, failure.seed, BATCH);
            if again.as_ref() != Err(&failure) {
                return Err(format!("{failure}\nbut then: {again:?}"));
            }
        }
        Ok(())
    }
}
