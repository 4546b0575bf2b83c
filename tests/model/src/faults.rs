//! Every fault at every place where it can happen. Each scenario is run once for each of them, and
//! the model checks the result. Nothing is sampled.

mod kpi;

use crate::call::Call;
use crate::run::{ADMIN, PROCS, Run};
use crate::scenarios::{Scenario, TUNABLES, all, greeting, play};
use crate::trap::{Fault, Filter, Trap};
use std::sync::Arc;

/// Fails with the name of the scenario and of the fault.
fn check<T>(scenario: &Scenario, what: &str, result: Result<T, String>) -> T {
    result.unwrap_or_else(|why| panic!("\"{}\", {what}:\n{why}", scenario.name))
}

fn begin(trap: &Arc<Trap>) -> Result<Run, String> {
    let mut run = Run::begin(TUNABLES, Some(trap.hook()))?;
    run.trap = Some(trap.clone());
    Ok(run)
}

/// Sets whether the handlers restart calls.
fn handlers(run: &mut Run, restart: bool) -> Result<(), String> {
    (0..PROCS).try_for_each(|proc| run.step(proc, Call::Handler { restart }))
}

/// Without a fault, every call of every scenario is made.
#[test]
fn scenarios_go_through() {
    for scenario in all() {
        let go = || {
            let mut run = Run::begin(TUNABLES, None)?;
            let left_out = play(&mut run, &scenario.steps)?;
            run.end().map(|()| left_out)
        };
        assert_eq!(
            check(&scenario, "without a fault", go()),
            0,
            "\"{}\": calls of a process that sleeps",
            scenario.name
        );
    }
}

/// Each byte of user memory that a read(2) or write(2) may move is out of reach once.
#[test]
fn a_fault_at_every_byte_of_every_move() {
    let mut faults = 0;
    for scenario in all() {
        for (at, (_, call)) in scenario.steps.iter().enumerate() {
            let (Call::Read { memory, .. } | Call::Write { memory, .. }) = call else {
                continue;
            };
            for byte in 0..memory.len() {
                let mut steps = scenario.steps.clone();
                if let Call::Read { memory, .. } | Call::Write { memory, .. } = &mut steps[at].1 {
                    *memory = memory.bad_at(byte);
                }
                let go = || {
                    let mut run = Run::begin(TUNABLES, None)?;
                    play(&mut run, &steps)?;
                    run.end()
                };
                check(
                    &scenario,
                    &format!("byte {byte} of step {at} out of reach"),
                    go(),
                );
                faults += 1;
            }
        }
    }
    println!("{faults} faults");
    assert!(faults > 200, "only {faults} faults");
}

/// A signal to each sleeping process, after every step.
#[test]
fn a_signal_at_every_sleep() {
    let mut signals = 0;
    for scenario in all() {
        for at in 0..scenario.steps.len() {
            for (target, restart) in (0..PROCS).flat_map(|target| [(target, false), (target, true)])
            {
                let go = || {
                    let mut run = Run::begin(TUNABLES, None)?;
                    handlers(&mut run, restart)?;
                    play(&mut run, &scenario.steps[..=at])?;
                    if !run.is_busy(target) {
                        return Ok(false);
                    }
                    run.step(ADMIN, Call::Signal { target })?;
                    play(&mut run, &scenario.steps[at + 1..])?;
                    run.end().map(|()| true)
                };
                let what = format!("a signal to {target} after step {at}, restart: {restart}");
                signals += usize::from(check(&scenario, &what, go()));
            }
        }
    }
    println!("{signals} signals");
    assert!(signals > 50, "only {signals} signals");
}

/// Runs a scenario with the trap set at call `at`. Returns whether it was triggered.
fn trapped(
    scenario: &Scenario,
    filter: Filter,
    at: usize,
    restart: bool,
    fault: fn(&Run) -> Fault,
) -> Result<bool, String> {
    let trap = Arc::new(Trap::default());
    let mut run = begin(&trap)?;
    handlers(&mut run, restart)?;
    trap.set(filter, at, fault(&run));
    play(&mut run, &scenario.steps)?;
    let triggered = trap.disarm() > at;
    if !run.is_loaded() {
        for target in 0..PROCS {
            run.step(ADMIN, Call::Kill { target })?;
        }
        run.step(ADMIN, Call::Load)?;
        play(&mut run, &greeting())?;
    }
    run.end().map(|()| triggered)
}

/// A signal that is pending when the module calls sleep(9).
#[test]
fn a_signal_on_the_way_to_every_sleep() {
    let sleep: Filter = |call| call.name == "_sleep";
    let mut signals = 0;
    for scenario in all() {
        for restart in [false, true] {
            let what = |at: usize| format!("a signal at sleep {at}, restart: {restart}");
            let go = |at: usize| {
                check(
                    &scenario,
                    &what(at),
                    trapped(&scenario, sleep, at, restart, |_| Fault::Signal),
                )
            };
            signals += (0..).take_while(|&at| go(at)).count();
        }
    }
    println!("{signals} signals");
    assert!(signals > 20, "only {signals} signals");
}

/// kldunload(8), started at each KPI call that the module makes. Then the module is loaded again,
/// and works.
#[test]
fn an_unload_at_every_kpi_call() {
    let mut unloads = 0;
    for scenario in all() {
        let go = |at: usize| trapped(&scenario, |_| true, at, false, Run::unloading);
        unloads += (0..)
            .take_while(|&at| check(&scenario, &format!("unload at KPI call {at}"), go(at)))
            .count();
    }
    println!("{unloads} unloads");
    assert!(unloads > 300, "only {unloads} unloads");
}

/// A signal to the process that unloads, at each of its KPI calls. Nothing ends the unload early.
#[test]
fn a_signal_at_every_kpi_call_of_an_unload() {
    for scenario in all() {
        let go = |at: usize| {
            let trap = Arc::new(Trap::default());
            let mut run = begin(&trap)?;
            play(&mut run, &scenario.steps)?;
            trap.set(|_| true, at, Fault::Signal);
            run.step(ADMIN, Call::Unload)?;
            let triggered = trap.disarm() > at;
            run.end().map(|()| triggered)
        };
        let signals = (0..)
            .take_while(|&at| {
                check(
                    &scenario,
                    &format!("a signal at KPI call {at} of the unload"),
                    go(at),
                )
            })
            .count();
        println!("{signals} signals");
        assert!(signals > 5, "only {signals} signals");
    }
}
