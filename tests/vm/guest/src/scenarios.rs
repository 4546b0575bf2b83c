//! The cases to run, of the suite and of this program, which need a whole kernel.

mod cores;
mod crowd;
mod exhausted;
mod farewell;
mod neighbours;
mod preloaded;
mod spinning;
mod stopped;

use crate::freebsd::{kernel, time};
use crate::host::{Lack, Machine};
use crate::{proc, tap};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use suite::abi::EV_ADD;
use suite::cases::{self, Case};
use suite::check::{Failure, Outcome};
use suite::errno::ENXIO;
use suite::host::{Host, Need};
use suite::process::Process;
use suite::run::{Verdict, run};
use suite::sys::{Fd, Kevent};

/// The scenarios of this program, as cases like those of the suite. The last one may leave a
/// machine without memory.
fn own() -> Vec<Case> {
    let case = |name, needs, run| Case {
        section: "kernel",
        name,
        needs,
        run,
    };
    let common: &[Need] = &[Need::Unload, Need::Kqueue];
    let two: &[Need] = &[Need::Unload, Need::Kqueue, Need::Squat];
    Vec::from([
        case(
            "every_sleeper_returns_within_a_second",
            common,
            farewell::every_sleeper_returns_within_a_second,
        ),
        case(
            "bad_pointers_then_sigkill",
            common,
            spinning::bad_pointers_then_sigkill,
        ),
        case(
            "a_stopped_process_does_not_hold_up_unload",
            common,
            stopped::does_not_hold_up_unload,
        ),
        case(
            "a_stopped_process_does_not_keep_a_wakeup",
            common,
            stopped::does_not_keep_a_wakeup,
        ),
        case("a_stopped_write_is_short", common, stopped::write_is_short),
        case("two_modules_together", two, neighbours::together),
        case("the_module_twice", common, neighbours::twice),
        case(
            "a_core_file_is_written",
            &[Need::Unload, Need::Kqueue, Need::CoreDump],
            cores::a_core_file_is_written,
        ),
        case(
            "crowd_with_resize_and_clear",
            common,
            crowd::with_resize_and_clear,
        ),
        case(
            "unload_in_the_middle_of_the_crowd",
            common,
            crowd::unload_in_the_middle,
        ),
        case(
            "resize_to_more_than_there_is",
            &[Need::Unload, Need::Tunables],
            exhausted::resize_to_more_than_there_is,
        ),
    ])
}

/// Runs everything, and returns whether all went well. In the kernel environment, `echodev.cases`
/// selects the cases whose names contain it. `echodev.bound` is the seconds after which a call
/// counts as hung.
pub fn run_all(cores: Lack) -> bool {
    let bound = kernel::kenv(c"echodev.bound")
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(proc::BOUND);
    let part = kernel::kenv(c"echodev.cases").unwrap_or_default();
    let chosen: Vec<(String, Case)> = cases::all()
        .into_iter()
        .chain(own())
        .map(|case| (format!("{}::{}", case.section, case.name), case))
        .filter(|(name, _)| name.contains(&part))
        .collect();
    tap::plan(chosen.len());
    let start = time::now();
    let mut machine = Machine::new(cores);
    let mut well = true;
    for (i, (name, case)) in chosen.iter().enumerate() {
        tap::case(name);
        proc::set_bound(bound);
        let verdict = match machine.prepare() {
            Ok(()) => run(case, &mut machine),
            Err(trouble) => Verdict::Failed(trouble.to_string()),
        };
        tap::result(i + 1, format_args!("{name}"), &verdict);
        well &= !matches!(verdict, Verdict::Failed(_));
    }
    if let Err(trouble) = machine.end() {
        tap::bail_out(format_args!("{trouble}"));
        well = false;
    }
    tap::note(format_args!(
        "{} cases in {} s",
        chosen.len(),
        (time::now() - start).div_ceil(1000)
    ));
    well
}

/// Runs the only case for a module that was loaded with the kernel, and returns whether all went
/// well.
pub fn run_preloaded() -> bool {
    tap::plan(1);
    tap::case(preloaded::NAME);
    let mut machine = Machine::new(Err("not set up".to_string()));
    let outcome = preloaded::is_there_at_boot(&mut machine).map_err(|failure| failure.to_string());
    let healthy = machine
        .health()
        .and_then(|()| machine.end())
        .map_err(|trouble| trouble.to_string());
    let verdict = match outcome.and(healthy) {
        Ok(()) => Verdict::Passed,
        Err(why) => Verdict::Failed(why),
    };
    tap::result(1, format_args!("{}", preloaded::NAME), &verdict);
    matches!(verdict, Verdict::Passed)
}

/// Fails with `what` unless the two are equal.
#[track_caller]
fn expect<T: PartialEq + core::fmt::Debug>(what: &str, got: T, want: T) -> Outcome {
    if got == want {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{what}: expected {want:?}, got {got:?}"
        )))
    }
}

/// Closes a descriptor whose device is gone. The kernel closes it. `devfs_close` returns an error
/// for that unless the vnode is gone already.
#[track_caller]
fn close_dead(process: &mut Process, fd: Fd) -> Outcome {
    match process.try_close(fd)? {
        Ok(()) | Err(ENXIO) => Ok(()),
        Err(error) => Err(Failure::new(format!("close after the unload: {error}"))),
    }
}

/// The change that registers a filter for a descriptor.
fn watch(fd: Fd, filter: i16, flags: u16) -> Kevent {
    Kevent {
        ident: fd as u64,
        filter,
        flags: EV_ADD | flags,
        fflags: 0,
        data: 0,
        udata: 0,
    }
}
