//! Random sequences of calls, by several processes.

mod choice;
mod steps;

use crate::call::{Call, Memory};
use crate::run::{ADMIN, PROCS, Run};
use choice::call;
use kldhost::O_NONBLOCK;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use std::thread;
use steps::{Step, step};

/// Cases of a plain `cargo test`. `PROPTEST_CASES` is another number.
const CASES: u32 = 256;
/// Cases at a time.
const RUNNERS: u32 = 4;
/// The limit for systems that explain the past. Above it, the bytes held are read, which
/// distinguishes them.
const MANY: usize = 64;

/// Reads all bytes held. Only the systems that hold these bytes remain.
fn observe_held(run: &mut Run) -> Result<(), String> {
    run.step(ADMIN, Call::Open { flags: O_NONBLOCK })?;
    // Its only descriptor.
    run.step(
        ADMIN,
        Call::Read {
            fd: 0,
            memory: Memory::all(400),
        },
    )?;
    run.step(ADMIN, Call::Close { fd: 0 })
}

fn play(tunables: (usize, usize), steps: &[Step]) -> Result<(), String> {
    let mut run = Run::begin(tunables, None)?;
    let mut written = [0; PROCS];
    for step in steps {
        if let Some((proc, call)) = call(&run, step, &mut written) {
            run.step(proc, call)?;
        }
        for _ in 0..4 {
            if run.systems.len() > MANY && run.is_loaded() {
                observe_held(&mut run)?;
            }
        }
    }
    run.end()
}

#[test]
fn model_and_module_agree() {
    // A failure of another module is no regression of this one.
    let single = std::env::var_os("ECHODEV_KMOD").is_some();
    let requested = std::env::var_os("PROPTEST_CASES").is_some();
    let default = Config::default();
    let config = Config {
        cases: if requested { default.cases } else { CASES },
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("regressions.txt"))),
        max_shrink_time: 60_000,
        ..default
    };
    let shrink = std::env::var_os("PROPTEST_MAX_SHRINK_ITERS").is_some();
    let config = if single {
        Config {
            failure_persistence: None,
            max_shrink_iters: if shrink { config.max_shrink_iters } else { 0 },
            ..config
        }
    } else {
        config
    };
    // Most of the time is spent in unloads, which wait.
    let config = Config {
        cases: config.cases.div_ceil(RUNNERS),
        ..config
    };
    let run = || {
        let tunables = (0..30usize, 30..260usize);
        let steps = prop::collection::vec(step(), 1..120);
        let play =
            |(tunables, steps): (_, Vec<Step>)| play(tunables, &steps).map_err(TestCaseError::fail);
        TestRunner::new(config.clone()).run(&(tunables, steps), play)
    };
    thread::scope(|scope| {
        let runners: Vec<_> = (0..RUNNERS).map(|_| scope.spawn(run)).collect();
        for runner in runners {
            if let Err(error) = runner.join().expect("a runner does not panic") {
                panic!("{error}");
            }
        }
    });
}
