//! Random sequences of calls, by several processes.

use crate::call::{Call, Memory, Request, Segment};
use crate::run::{ADMIN, PROCS, Run};
use crate::spec::Side;
use crate::system::{File, Life, Slot, System};
use kldhost::{Fd, O_ASYNC, O_NONBLOCK, O_RDWR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use std::thread;

/// Cases of a plain `cargo test`. `PROPTEST_CASES` is another number.
const CASES: u32 = 256;
/// Cases at a time.
const RUNNERS: u32 = 4;
/// The limit for systems that explain the past. Above it, the bytes held are read, which
/// distinguishes them.
const MANY: usize = 64;

/// A step, before its process and its descriptors are selected.
#[derive(Clone, Debug)]
struct Step {
    /// Selects a descriptor of those that can be used. `None` does not prefer any.
    with: Option<Index>,
    proc: Index,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Open(i32),
    Close,
    CloseKqueue,
    Dup,
    Fork(Index),
    Read(Memory),
    Write(Memory),
    Ioctl(Request, bool),
    GetFlags,
    SetFlags(i32),
    Poll(i16, bool),
    Kqueue,
    Watch(Side, bool),
    Unwatch(Side),
    Kevent(bool),
    Handler(bool),
    Signal(Index),
    Kill(Index),
    Revoke,
    Unload,
    Load,
}

fn memory() -> impl Strategy<Value = Memory> {
    let len = prop_oneof![4 => 0..12usize, 2 => 0..100usize];
    // Sometimes, a byte is out of reach.
    let segment =
        (len, prop::option::weighted(0.06, any::<Index>())).prop_map(|(len, bad)| Segment {
            len,
            good: bad.map_or(len, |bad| bad.index(len + 1)),
        });
    let many = prop::collection::vec(segment.clone(), 0..5);
    prop_oneof![4 => segment.prop_map(|one| vec![one]), 1 => many].prop_map(Memory)
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Read), Just(Side::Write)]
}

fn request() -> impl Strategy<Value = Request> {
    let size = prop_oneof![6 => 0..40usize, 2 => 0..300usize, 1 => Just(usize::MAX)];
    prop_oneof![
        1 => Just(Request::Size),
        4 => size.prop_map(Request::Resize),
        2 => Just(Request::Clear),
        1 => any::<bool>().prop_map(Request::NonBlock),
        1 => any::<bool>().prop_map(Request::Async),
        2 => side().prop_map(Request::Count),
        1 => Just(Request::Unknown),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let flags = prop_oneof![4 => Just(0), 1 => Just(O_NONBLOCK)];
    let events = prop::sample::select(vec![
        POLLIN,
        POLLOUT,
        POLLIN | POLLOUT,
        POLLRDNORM,
        POLLPRI,
        0,
    ]);
    prop_oneof![
        10 => (0..3i32, flags).prop_map(|(mode, flags)| Action::Open(mode | flags)),
        8 => Just(Action::Close),
        1 => Just(Action::CloseKqueue),
        2 => Just(Action::Dup),
        3 => any::<Index>().prop_map(Action::Fork),
        32 => memory().prop_map(Action::Read),
        28 => memory().prop_map(Action::Write),
        14 => (request(), prop::bool::weighted(0.1)).prop_map(|(request, bad)| Action::Ioctl(request, bad)),
        1 => Just(Action::GetFlags),
        3 => prop::sample::select(vec![0, O_NONBLOCK, O_ASYNC, O_NONBLOCK | O_ASYNC]).prop_map(Action::SetFlags),
        12 => (events, prop::bool::weighted(0.7)).prop_map(|(events, wait)| Action::Poll(events, wait)),
        2 => Just(Action::Kqueue),
        8 => (side(), any::<bool>()).prop_map(|(side, clear)| Action::Watch(side, clear)),
        2 => side().prop_map(Action::Unwatch),
        14 => prop::bool::weighted(0.6).prop_map(Action::Kevent),
        2 => any::<bool>().prop_map(Action::Handler),
        8 => any::<Index>().prop_map(Action::Signal),
        3 => any::<Index>().prop_map(Action::Kill),
        1 => Just(Action::Revoke),
        3 => Just(Action::Unload),
        20 => Just(Action::Load),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let with = prop::option::weighted(0.97, any::<Index>());
    (with, any::<Index>(), action()).prop_map(|(with, proc, action)| Step { with, proc, action })
}

/// One or two descriptors of a process.
type Use = (usize, Fd, Fd);

/// A descriptor that is not open in any process.
const NOT_OPEN: Fd = 1000;

/// Selects the one of `all` that a step uses.
fn pick(step: &Step, free: &[usize], all: Vec<Use>) -> Option<Use> {
    match step.with {
        None => Some((free[step.proc.index(free.len())], NOT_OPEN, NOT_OPEN)),
        Some(with) => (!all.is_empty()).then(|| all[with.index(all.len())]),
    }
}

/// Every use of a descriptor of the device. Descriptors that are live and have the access `wanted`
/// are more likely.
fn files(system: &System, free: &[usize], wanted: fn(&File) -> bool) -> Vec<Use> {
    let mut all = Vec::new();
    for &proc in free {
        for (fd, slot) in (0..).zip(&system.procs[proc].fds) {
            let Some(Slot::File(file)) = slot else {
                continue;
            };
            let file = &system.files[*file];
            let times = if file.life == Life::Live && wanted(file) {
                40
            } else {
                1
            };
            all.extend(std::iter::repeat_n((proc, fd, NOT_OPEN), times));
        }
    }
    all
}

fn kqueues(system: &System, free: &[usize]) -> Vec<Use> {
    let of = |&proc: &usize| {
        let slots = (0..).zip(&system.procs[proc].fds);
        slots
            .filter(|(_, slot)| **slot == Some(Slot::Kqueue))
            .map(move |(kq, _)| (proc, NOT_OPEN, kq))
    };
    free.iter().flat_map(of).collect()
}

/// Every kqueue with every descriptor of its process.
fn pairs(system: &System, free: &[usize]) -> Vec<Use> {
    let files = files(system, free, |_| true);
    let with_file = |(proc, _, kq): Use| {
        files
            .iter()
            .filter(move |file| file.0 == proc)
            .map(move |&(_, fd, _)| (proc, fd, kq))
            .collect::<Vec<_>>()
    };
    kqueues(system, free)
        .into_iter()
        .flat_map(with_file)
        .collect()
}

/// Every watch there is.
fn watches(system: &System, free: &[usize]) -> Vec<Use> {
    let all = system.device.iter().flat_map(|device| &device.watches);
    all.filter(|watch| free.contains(&watch.proc))
        .map(|watch| (watch.proc, watch.fd, watch.kq))
        .collect()
}

/// The call that a step makes now, and its process. It is `None` if it cannot be made. If something
/// that it needs is missing, the call is one that makes that.
fn call(run: &Run, step: &Step, written: &mut [u8; PROCS]) -> Option<(usize, Call)> {
    let free: Vec<usize> = (0..PROCS).filter(|&proc| !run.is_busy(proc)).collect();
    let admin = |call| Some((ADMIN, call));
    match &step.action {
        Action::Signal(target) => {
            return admin(Call::Signal {
                target: target.index(PROCS),
            });
        }
        Action::Kill(target) => {
            return admin(Call::Kill {
                target: target.index(PROCS),
            });
        }
        Action::Revoke => return admin(Call::Revoke),
        Action::Unload => return admin(Call::Unload).filter(|_| run.is_loaded()),
        Action::Load => return admin(Call::Load).filter(|_| !run.is_loaded()),
        _ if free.is_empty() => return None,
        _ => {}
    }
    let system = run.known();
    let by = free[step.proc.index(free.len())];
    // If all descriptors are dead, every other step opens a live one.
    let all_dead = files(system, &free, |_| true).len() < 40 && step.proc.index(2) == 0;
    let file = |wanted| {
        if all_dead {
            None
        } else {
            pick(step, &free, files(system, &free, wanted))
        }
    };
    let open = Some((by, Call::Open { flags: O_RDWR }));
    let kqueue = Some((by, Call::Kqueue));
    Some(match &step.action {
        Action::Open(flags) => (by, Call::Open { flags: *flags }),
        Action::Kqueue => (by, Call::Kqueue),
        Action::Handler(restart) => (by, Call::Handler { restart: *restart }),
        Action::Fork(child) => {
            let empty =
                |&child: &usize| child != by && system.procs[child].fds.iter().all(Option::is_none);
            let children: Vec<usize> = free.iter().copied().filter(empty).collect();
            (
                by,
                Call::Fork {
                    child: *children.get(child.index(children.len().max(1)))?,
                },
            )
        }
        Action::Read(memory) => {
            let Some((proc, fd, _)) = file(File::reads) else {
                return open;
            };
            (
                proc,
                Call::Read {
                    fd,
                    memory: memory.clone(),
                },
            )
        }
        Action::Write(memory) => {
            let Some((proc, fd, _)) = file(File::writes) else {
                return open;
            };
            // Each byte encodes its writer and its position.
            let mut next = || {
                written[proc] = written[proc].wrapping_add(1);
                (proc as u8) << 5 | written[proc] & 0x1f
            };
            (
                proc,
                Call::Write {
                    fd,
                    memory: memory.clone(),
                    bytes: (0..memory.len()).map(|_| next()).collect(),
                },
            )
        }
        Action::Close
        | Action::Dup
        | Action::Ioctl(..)
        | Action::GetFlags
        | Action::SetFlags(_)
        | Action::Poll(..) => {
            let Some((proc, fd, _)) = file(|_| true) else {
                return open;
            };
            let call = match &step.action {
                Action::Close => Call::Close { fd },
                Action::Dup => Call::Dup { fd },
                Action::Ioctl(request, bad) => Call::Ioctl {
                    fd,
                    request: *request,
                    bad: *bad,
                },
                Action::GetFlags => Call::GetFlags { fd },
                Action::SetFlags(flags) => Call::SetFlags { fd, flags: *flags },
                Action::Poll(events, wait) => Call::Poll {
                    fd,
                    events: *events,
                    wait: *wait,
                },
                _ => return None,
            };
            (proc, call)
        }
        Action::CloseKqueue => {
            let Some((proc, _, kq)) = pick(step, &free, kqueues(system, &free)) else {
                return kqueue;
            };
            (proc, Call::Close { fd: kq })
        }
        Action::Watch(side, clear) => {
            let Some((proc, fd, kq)) = pick(step, &free, pairs(system, &free)) else {
                return kqueue;
            };
            (
                proc,
                Call::Watch {
                    kq,
                    fd,
                    side: *side,
                    clear: *clear,
                },
            )
        }
        Action::Unwatch(side) => {
            let Some((proc, fd, kq)) = pick(step, &free, watches(system, &free)) else {
                return kqueue;
            };
            (
                proc,
                Call::Unwatch {
                    kq,
                    fd,
                    side: *side,
                },
            )
        }
        Action::Kevent(wait) => {
            if let Some((proc, _, kq)) = pick(step, &free, watches(system, &free)) {
                return Some((proc, Call::Kevent { kq, wait: *wait }));
            }
            let Some((proc, fd, kq)) = pick(step, &free, pairs(system, &free)) else {
                return kqueue;
            };
            (
                proc,
                Call::Watch {
                    kq,
                    fd,
                    side: Side::Read,
                    clear: *wait,
                },
            )
        }
        Action::Signal(_) | Action::Kill(_) | Action::Revoke | Action::Unload | Action::Load => {
            return None;
        }
    })
}

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
