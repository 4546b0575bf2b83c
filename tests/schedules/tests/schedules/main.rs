//! Explores schedules: `scenarios.rs` says what is tried, `stage.rs` and `bytes.rs` what must hold.
//!
//! `ECHODEV_SCHEDULES` is the number of schedules for each scenario (10000), half of them random, half by
//! PCT, and `ECHODEV_FIRST_SEED` the number of the first seed (1). `ECHODEV_SEED`, such as `random:17`, as a failure
//! tells it: the schedules of that seed only. `ECHODEV_KMOD_DIR` names the directory that has
//! `15/echodev.ko`; without it, it is where `make kmod` puts it. `ECHODEV_KMOD` names the file
//! itself.
#![forbid(unsafe_code)]

mod broken;
mod bytes;
mod leaving;
mod roles;
mod scenarios;
mod stage;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use kldhost_shuttle::explore::{BATCH, Explored, Failure, Seed, Strategy, explore};
use libtest_mimic::{Arguments, Trial};

use scenarios::Scenario;
use stage::{Setup, Stage};

/// Schedules that went well.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let settings = match Settings::new() {
        Ok(settings) => Arc::new(settings),
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    let start = Instant::now();
    let conclusion = libtest_mimic::run(&arguments, trials(&settings));
    let total = TOTAL.load(Relaxed);
    if total > 0 {
        eprintln!("{total} schedules, {:.0} s", start.elapsed().as_secs_f32());
    }
    conclusion.exit_code()
}

struct Settings {
    module: Arc<Vec<u8>>,
    /// So many schedules for each scenario.
    count: usize,
    /// The number of the first seed.
    first: u64,
    /// Only these schedules.
    seed: Option<Seed>,
}

impl Settings {
    fn new() -> Result<Settings, String> {
        let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
            Some(dir) => dir.into(),
            None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kmod"),
        };
        let file = std::env::var_os("ECHODEV_KMOD")
            .map_or_else(|| dir.join("15/echodev.ko"), PathBuf::from);
        let module = std::fs::read(&file)
            .map_err(|error| format!("{}: {error}: run `make kmod`", file.display()))?;
        Ok(Settings {
            module: Arc::new(module),
            count: setting("ECHODEV_SCHEDULES")?.unwrap_or(10_000),
            first: setting("ECHODEV_FIRST_SEED")?.unwrap_or(1),
            seed: setting("ECHODEV_SEED")?,
        })
    }

    fn setup(&self, scenario: &Scenario, unload: bool) -> Setup {
        Setup {
            module: self.module.clone(),
            bufsize: scenario.bufsize,
            unload,
            hook: None,
        }
    }
}

/// The value of an environment variable; an empty one is as good as none.
fn setting<T: FromStr<Err: ToString>>(name: &str) -> Result<Option<T>, String> {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value
            .parse()
            .map(Some)
            .map_err(|error: T::Err| format!("{name}={value}: {}", error.to_string())),
        _ => Ok(None),
    }
}

fn trials(settings: &Arc<Settings>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for scenario in scenarios::ALL {
        for unload in [false, true] {
            let name = if unload {
                format!("{}_and_unload", scenario.name)
            } else {
                scenario.name.to_owned()
            };
            let (settings, title) = (settings.clone(), name.clone());
            trials.push(Trial::test(name, move || {
                Ok(trial(&title, scenario, unload, &settings)?)
            }));
        }
        for broken in broken::ALL
            .into_iter()
            .filter(|broken| broken.scenario == scenario.name)
        {
            let unload = if broken.unload { "_and_unload" } else { "" };
            let name = format!(
                "broken::{}{unload}_without_{}",
                broken.scenario, broken.call
            );
            let setup = settings.setup(&scenario, broken.unload);
            trials.push(Trial::test(
                name,
                move || Ok(broken.find(scenario, &setup)?),
            ));
        }
    }
    for way in leaving::ALL {
        trials.push(Trial::test(format!("leaving::{}", way.name), move || {
            Ok(way.try_it()?)
        }));
    }
    trials
}

/// Plays a scenario on as many schedules as the settings say.
fn trial(name: &str, scenario: Scenario, unload: bool, settings: &Settings) -> Result<(), String> {
    let start = Instant::now();
    let plans = match settings.seed {
        Some(seed) => vec![(seed, BATCH)],
        None => [Strategy::Random, Strategy::Pct]
            .map(|strategy| {
                (
                    Seed {
                        strategy,
                        number: settings.first,
                    },
                    settings.count.div_ceil(2),
                )
            })
            .to_vec(),
    };
    let mut all = Explored::default();
    for (seed, count) in plans {
        let explored =
            play(scenario, &settings.setup(&scenario, unload), seed, count).map_err(|failure| {
                format!(
                    "{failure}\nAgain: make test-long SCENARIO={name} SEED={}",
                    failure.seed
                )
            })?;
        all.schedules += explored.schedules;
        all.different += explored.different;
        all.steps += explored.steps;
    }
    let (steps, seconds) = (
        all.steps / all.schedules.max(1),
        start.elapsed().as_secs_f32(),
    );
    eprintln!(
        "{name}: {} schedules, {} different, of {steps} steps, {seconds:.1} s",
        all.schedules, all.different
    );
    TOTAL.fetch_add(all.schedules, Relaxed);
    Ok(())
}

fn play(
    scenario: Scenario,
    setup: &Setup,
    first: Seed,
    count: usize,
) -> Result<Explored, Box<Failure>> {
    let setup = setup.clone();
    explore(first, count, move || {
        let stage = Stage::new(&setup);
        scenario.play(&stage);
        stage.finish();
    })
}
