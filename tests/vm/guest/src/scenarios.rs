//! What is run: the suite's cases, and what only a whole kernel can show.

mod crowd;
mod farewell;
mod spinning;
mod stopped;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use conformance::abi::EV_ADD;
use conformance::cases::{self, Case};
use conformance::check::{Failure, Outcome};
use conformance::errno::ENXIO;
use conformance::host::Need;
use conformance::process::Process;
use conformance::run::{Verdict, run};
use conformance::sys::{Fd, Kevent};

use crate::freebsd::{kernel, time};
use crate::host::{Machine, Modules};
use crate::{proc, tap};

/// The scenarios of this program, as cases like the suite's.
fn own() -> [Case; 6] {
    let case = |name, run| Case { section: "kernel", name, needs: &[Need::Unload, Need::Kqueue], run };
    [
        case("everybody_is_told_within_a_second", farewell::everybody_is_told_within_a_second),
        case("bad_pointers_then_sigkill", spinning::bad_pointers_then_sigkill),
        case("a_stopped_process_does_not_hold_up_unload", stopped::does_not_hold_up_unload),
        case("a_stopped_process_does_not_keep_a_wakeup", stopped::does_not_keep_a_wakeup),
        case("crowd_with_resize_and_clear", crowd::with_resize_and_clear),
        case("unload_in_the_middle_of_the_crowd", crowd::unload_in_the_middle),
    ]
}

/// Runs everything, and says whether all went well. The kernel environment may say otherwise: `echodev.cases` is a part of
/// the names of those to run, `echodev.bound` the seconds after which a call counts as hung.
pub fn run_all(modules: Modules<'_>) -> bool {
    let bound = kernel::kenv(c"echodev.bound").and_then(|seconds| seconds.parse().ok()).unwrap_or(proc::BOUND);
    let part = kernel::kenv(c"echodev.cases").unwrap_or_default();
    let chosen: Vec<(String, Case)> = cases::all()
        .into_iter()
        .chain(own())
        .map(|case| (format!("{}::{}", case.section, case.name), case))
        .filter(|(name, _)| name.contains(&part))
        .collect();
    tap::plan(chosen.len());
    let start = time::now();
    let mut machine = Machine::new(modules);
    let mut well = true;
    for (i, (name, case)) in chosen.iter().enumerate() {
        machine.forget_messages();
        tap::case(name);
        proc::set_bound(bound);
        let verdict = run(case, &mut machine);
        tap::result(i + 1, format_args!("{name}"), &verdict);
        well &= !matches!(verdict, Verdict::Failed(_));
    }
    tap::note(format_args!("{} cases in {} s", chosen.len(), (time::now() - start).div_ceil(1000)));
    well
}

/// Fails with `what` unless the two are equal.
#[track_caller]
fn expect<T: PartialEq + core::fmt::Debug>(what: &str, got: T, want: T) -> Outcome {
    if got == want { Ok(()) } else { Err(Failure::new(format!("{what}: expected {want:?}, got {got:?}"))) }
}

/// Closes a descriptor whose device is gone. The kernel closes it, and says so (`devfs_close`) unless the vnode went first.
#[track_caller]
fn close_dead(process: &mut Process, fd: Fd) -> Outcome {
    match process.try_close(fd)? {
        Ok(()) | Err(ENXIO) => Ok(()),
        Err(error) => Err(Failure::new(format!("close after the unload: {error}"))),
    }
}

/// The change that registers a filter for a descriptor.
fn watch(fd: Fd, filter: i16, flags: u16) -> Kevent {
    Kevent { ident: fd as u64, filter, flags: EV_ADD | flags, fflags: 0, data: 0, udata: 0 }
}
