//! Explores schedules: see `scenarios.rs` for what is tried, and `stage.rs` for what must hold.
//!
//! `SCHEDULES` is the number of schedules for each scenario (10000). `SEED`, such as `random:17` or `pct:17`, as a failure has
//! told it: only the schedules of that seed; `random` or `pct` without a number is not a seed. `ECHODEV_KMOD_DIR` names the
//! directory that has `15/echodev.ko`; without it, it is where `make kmod` puts it.
#![forbid(unsafe_code)]

mod bytes;
mod roles;
mod scenarios;
mod stage;

use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use kldhost_shuttle::explore::{BATCH, Explored, Failure, Seed, Strategy, explore};
use libtest_mimic::{Arguments, Failed, Trial};

use scenarios::Scenario;
use stage::{Setup, Stage};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (module, count, seed) = match settings() {
        Ok(settings) => settings,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    let mut trials = Vec::new();
    for scenario in scenarios::ALL {
        for unload in [false, true] {
            let name = if unload { format!("{}_and_unload", scenario.name) } else { scenario.name.to_owned() };
            let setup = Setup { module: module.clone(), bufsize: scenario.bufsize, unload, hook: None };
            let title = name.clone();
            trials.push(Trial::test(name, move || trial(&title, scenario, &setup, count, seed)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The module's file, how many schedules, and of which seed if not of many.
fn settings() -> Result<(Arc<Vec<u8>>, usize, Option<Seed>), String> {
    let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kmod"),
    };
    let file = dir.join("15/echodev.ko");
    let module = std::fs::read(&file).map_err(|error| format!("{}: {error}; `make kmod` builds it", file.display()))?;
    Ok((Arc::new(module), setting("SCHEDULES")?.unwrap_or(10_000), setting("SEED")?))
}

/// The value of an environment variable; an empty one is as good as none.
fn setting<T: FromStr<Err: ToString>>(name: &str) -> Result<Option<T>, String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => {
            value.parse().map(Some).map_err(|error: T::Err| format!("{name}={value}: {}", error.to_string()))
        }
        _ => Ok(None),
    }
}

/// Plays `scenario` on the schedules of `seed`, or on `count` of all kinds.
fn trial(name: &str, scenario: Scenario, setup: &Setup, count: usize, seed: Option<Seed>) -> Result<(), Failed> {
    let start = Instant::now();
    let plans = match seed {
        Some(seed) => vec![(seed, BATCH)],
        None => [Strategy::Random, Strategy::Pct].map(|strategy| (Seed { strategy, number: 1 }, count / 2)).to_vec(),
    };
    let mut all = Explored::default();
    for (seed, count) in plans {
        let explored = play(scenario, setup, seed, count)
            .map_err(|failure| format!("{failure}\nAgain: make prove SCENARIO={name} SEED={}", failure.seed))?;
        all.schedules += explored.schedules;
        all.different += explored.different;
        all.steps += explored.steps;
    }
    let steps = all.steps / all.schedules.max(1);
    let seconds = start.elapsed().as_secs_f32();
    eprintln!("{name}: {} schedules, {} different, {steps} steps each, {seconds:.1} s", all.schedules, all.different);
    Ok(())
}

fn play(scenario: Scenario, setup: &Setup, seed: Seed, count: usize) -> Result<Explored, Box<Failure>> {
    let setup = setup.clone();
    explore(seed, count, move || {
        let stage = Stage::new(&setup);
        scenario.play(&stage);
        stage.finish();
    })
}
