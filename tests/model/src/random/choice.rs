//! The call that a step makes in a certain state of the system.

use super::steps::{Action, Step};
use crate::call::Call;
use crate::run::{ADMIN, PROCS, Run};
use crate::spec::Side;
use crate::system::{File, Life, Slot, System};
use kldhost::{Fd, O_RDWR};

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
pub fn call(run: &Run, step: &Step, written: &mut [u8; PROCS]) -> Option<(usize, Call)> {
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
