//! The calls that may sleep: read(2), write(2), poll(2), kevent(2).

use crate::call::{Call, Memory, Outcome, Value};
use crate::spec::{Stretch, Watch};
use crate::system::{DONE, Life, Next, Op, Slot, System, number};
use kldhost::{Errno, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLRDNORM};

impl System {
    /// Goes to sleep, or remains asleep. A pending signal then ends the call.
    fn sleep(&self, at: usize) -> Vec<Next> {
        if self.ops[at].asleep {
            return Vec::new();
        }
        let mut after = self.clone();
        after.ops[at].asleep = true;
        vec![(after, None)]
    }

    /// Restarts the call.
    fn restart(&self, at: usize) -> Vec<Next> {
        let mut after = self.clone();
        let Op { proc, ref call, .. } = self.ops[at];
        after.ops[at] = Op::new(proc, call.clone());
        vec![(after, None)]
    }

    /// read(2), write(2) and their variants.
    pub fn transfer(&self, at: usize) -> Vec<Next> {
        let op = &self.ops[at];
        let (fd, memory) = match &op.call {
            Call::Read { fd, memory } | Call::Write { fd, memory, .. } => (*fd, memory),
            _ => return Vec::new(),
        };
        let is_read = matches!(op.call, Call::Read { .. });
        let file = match self.file(op.proc, fd) {
            Ok(file)
                if is_read && self.files[file].reads() || !is_read && self.files[file].writes() =>
            {
                file
            }
            _ => return self.either(&[Errno::EBADF]),
        };
        if is_read && memory.len() == 0 {
            return self.ends(|_| Ok(Value::Bytes(Vec::new())));
        }
        let mut all = Vec::new();
        if op.asleep && op.signal {
            all.extend(self.interrupted(at));
        }
        if op.asleep && self.files[file].life == Life::Revoked {
            // ERESTART gives the count after part of the data. Otherwise the call is restarted on a
            // dead descriptor.
            all.extend(if op.moved > 0 {
                self.ends(|_| number(op.moved))
            } else {
                self.restart(at)
            });
            return all;
        }
        // A device is not gone while a thread sleeps in it.
        let views = if op.asleep {
            &[true][..]
        } else {
            self.views(file)
        };
        for &live in views {
            let mut after = self.clone();
            let nonblock = *after.ops[at]
                .nonblock
                .get_or_insert(self.files[file].flags & kldhost::O_NONBLOCK != 0);
            all.extend(match (live, is_read) {
                (false, _) => self.either(&[Errno::EIO]),
                (true, true) => after.read(at, memory, nonblock),
                (true, false) => after.write(at, memory, nonblock),
            });
        }
        all
    }

    fn read(mut self, at: usize, memory: &Memory, nonblock: bool) -> Vec<Next> {
        match self.dev().read(memory.len(), memory.good(), nonblock) {
            Stretch::Wait => self.sleep(at),
            Stretch::Done(result) => vec![(self, Some(result.map(Value::Bytes)))],
        }
    }

    fn write(mut self, at: usize, memory: &Memory, nonblock: bool) -> Vec<Next> {
        let Call::Write { bytes, .. } = self.ops[at].call.clone() else {
            return Vec::new();
        };
        let moved = self.ops[at].moved;
        if moved == bytes.len() {
            return vec![(self, Some(number(moved)))];
        }
        match self
            .dev()
            .write(&bytes[moved..], memory.good() - moved, nonblock)
        {
            Stretch::Wait => self.sleep(at),
            Stretch::Done(Ok(n)) => {
                // The lock is held, so the call ends or goes to sleep before any other call runs.
                self.ops[at].moved += n;
                self.ops[at].asleep = false;
                self.write(at, memory, nonblock)
            }
            // Part of the data replaces only an error that stands for a wait.
            Stretch::Done(Err(Errno::EWOULDBLOCK)) if moved > 0 => {
                vec![(self, Some(number(moved)))]
            }
            Stretch::Done(Err(error)) => vec![(self, Some(Err(error)))],
        }
    }

    /// A signal has ended the sleep.
    fn interrupted(&self, at: usize) -> Vec<Next> {
        let op = &self.ops[at];
        match op.call {
            Call::Write { .. } if op.moved > 0 => self.ends(|_| number(op.moved)),
            Call::Read { .. } | Call::Write { .. } if self.procs[op.proc].restart => {
                self.restart(at)
            }
            _ => self.either(&[Errno::EINTR]),
        }
    }

    /// poll(2) of one descriptor.
    pub fn poll(&self, at: usize) -> Vec<Next> {
        let op = &self.ops[at];
        let Call::Poll { fd, events, wait } = op.call else {
            return Vec::new();
        };
        let found = |revents: i16| self.ends(|_| Ok(Value::Number(revents.into())));
        let Ok(file) = self.file(op.proc, fd) else {
            return found(POLLNVAL);
        };
        let mut all = if op.asleep && op.signal {
            self.interrupted(at)
        } else {
            Vec::new()
        };
        for &live in self.views(file) {
            let revents = match (live, &self.device) {
                (true, Some(device)) => device.poll(events),
                _ => POLLHUP | events & (POLLIN | POLLRDNORM),
            };
            // POSIX excludes POLLOUT together with POLLHUP.
            let revents = if revents & POLLHUP != 0 {
                revents & !POLLOUT
            } else {
                revents
            };
            all.extend(if revents != 0 || !wait {
                found(revents)
            } else {
                self.sleep(at)
            });
        }
        all
    }

    fn watches(&self, op: &Op) -> Vec<Watch> {
        let Call::Kevent { kq, .. } = op.call else {
            return Vec::new();
        };
        let all = self.device.iter().flat_map(|device| &device.watches);
        all.filter(|watch| watch.proc == op.proc && watch.kq == kq)
            .cloned()
            .collect()
    }

    /// Whether this call waits in kevent(2) and an event is due.
    pub fn is_to_be_notified(&self, op: &Op) -> bool {
        let waits = matches!(op.call, Call::Kevent { wait: true, .. });
        waits && op.found.is_empty() && self.watches(op).iter().any(|watch| watch.active)
    }

    fn is_kqueue(&self, proc: usize, kq: i32) -> bool {
        usize::try_from(kq)
            .is_ok_and(|kq| self.procs[proc].fds.get(kq) == Some(&Some(Slot::Kqueue)))
    }

    /// kevent(2), which checks its watches one by one, in any order.
    pub fn kevent(&self, at: usize) -> Vec<Next> {
        let op = &self.ops[at];
        let Call::Kevent { kq, wait } = op.call else {
            return Vec::new();
        };
        if !self.is_kqueue(op.proc, kq) {
            return self.either(&[Errno::EBADF]);
        }
        let mut all = if op.asleep && op.signal {
            self.interrupted(at)
        } else {
            Vec::new()
        };
        if op.round.is_empty() {
            let round: Vec<Watch> = self
                .watches(op)
                .into_iter()
                .filter(|watch| watch.active)
                .collect();
            all.extend(match (op.found.is_empty(), round.is_empty()) {
                (false, _) => self.ends(|_| {
                    let mut found = op.found.clone();
                    found.sort();
                    Ok(Value::Events(found))
                }),
                (true, true) if wait => self.sleep(at),
                (true, true) => self.ends(|_| Ok(Value::Events(Vec::new()))),
                (true, false) => {
                    let mut after = self.clone();
                    (after.ops[at].round, after.ops[at].asleep) = (round, false);
                    vec![(after, None)]
                }
            });
        }
        all.extend((0..op.round.len()).map(|next| {
            let mut after = self.clone();
            let watch = after.ops[at].round.remove(next);
            after.check_watch(at, &watch);
            (after, None)
        }));
        all
    }

    fn check_watch(&mut self, at: usize, checked: &Watch) {
        let Some(device) = &mut self.device else {
            return;
        };
        let same = |watch: &Watch| (watch.proc, watch.kq, watch.fd, watch.side);
        let Some(which) = device
            .watches
            .iter()
            .position(|watch| same(watch) == same(checked))
        else {
            return;
        };
        let event = device.event(&device.watches[which]);
        let watch = &mut device.watches[which];
        watch.active = event.is_some() && !watch.clear;
        self.ops[at].found.extend(event);
    }

    /// kevent(2) with a change.
    pub fn change(&self, at: usize) -> Vec<Next> {
        let op = &self.ops[at];
        let proc = op.proc;
        let (kq, fd, side, add) = match op.call {
            Call::Watch {
                kq,
                fd,
                side,
                clear,
            } => (kq, fd, side, Some(clear)),
            Call::Unwatch { kq, fd, side } => (kq, fd, side, None),
            _ => return Vec::new(),
        };
        let file = match self.file(proc, fd) {
            Ok(file) if self.is_kqueue(proc, kq) => file,
            _ => return self.either(&[Errno::EBADF]),
        };
        let is_it =
            |watch: &Watch| (watch.proc, watch.kq, watch.fd, watch.side) == (proc, kq, fd, side);
        let there = self
            .device
            .as_ref()
            .and_then(|device| device.watches.iter().position(is_it));
        self.ends(|after| match (there, add) {
            (None, None) => Err(Errno::ENOENT),
            (Some(which), None) => {
                after.dev().watches.remove(which);
                DONE
            }
            (Some(which), Some(_)) => {
                let device = after.dev();
                let fires = device.event(&device.watches[which]).is_some();
                device.watches[which].active |= fires;
                DONE
            }
            (None, Some(_)) if after.files[file].life != Life::Live => Err(Errno::ENXIO),
            (None, Some(clear)) => {
                let watch = Watch {
                    proc,
                    kq,
                    fd,
                    side,
                    clear,
                    active: false,
                };
                after.dev().attach(watch).and(DONE) as Outcome
            }
        })
    }
}
