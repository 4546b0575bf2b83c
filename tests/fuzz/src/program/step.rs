//! The calls of a program, one by one.

use super::call::{AnyFd, Argument, Call, Move, Step};
use super::machine::{DEVICE, Ended, Machine, Slot};
use super::memory::Memory;
use super::pending::Pending;
use super::perform::{Question, Work};
use super::stream::Writer;
use echodev::ioctl::ECHODEV_CLEAR;
use kldhost::sync::Arc;
use kldhost::{Errno, Fd, IoctlArg, Kevent, O_NONBLOCK, PollFd, Process};

/// The maximum of processes, calls asleep and watches at a time.
const CROWD: usize = 4;

impl Machine {
    /// Makes a call, and checks its results.
    pub fn step(&mut self, step: Step) {
        let at = usize::from(step.process) % self.slots.len();
        if self.slots[at].process.exit_status().is_some() {
            self.slots[at] = Slot::new(self.kernel.process());
        }
        let ended = self.make(at, step.call);
        self.settle(ended);
    }

    /// Makes a call. Returns the outcome if the call moves bytes and does not wait.
    fn make(&mut self, at: usize, call: Call) -> Option<Ended> {
        let process = self.slots[at].process.clone();
        let fd = |fd: AnyFd| self.slots[at].descriptor(fd);
        match call {
            Call::Open(flags) => self.opened(at, "open", process.open(DEVICE, flags)),
            Call::Dup(from) => {
                let result = process.dup(fd(from));
                self.opened(at, "dup", result);
            }
            Call::Dup2(from, to) => {
                let result = process.dup2(fd(from), fd(to));
                self.opened(at, "dup2", result);
            }
            Call::Close(closed) => {
                let result = process.close(fd(closed));
                self.slots[at].generation += 1;
                self.check("close", result);
            }
            Call::GetFlags(of) => self.check("getfl", process.getfl(fd(of))),
            Call::SetFlags(of, flags) => self.check("setfl", process.setfl(fd(of), flags)),
            Call::Move(wanted) => return self.transfer(at, &process, wanted),
            Call::Ioctl(on, request, argument) => {
                let on = fd(on);
                self.ioctl(&process, on, request, argument);
            }
            Call::Poll { entries, wait } => {
                let entries = entries
                    .into_iter()
                    .map(|(of, events)| PollFd::new(fd(of), events));
                let question = Question::Poll(entries.collect());
                self.wait(at, Work::Question(question), wait);
            }
            Call::Select { nfds, sets, wait } => {
                let question = Question::Select {
                    nfds: nfds.into(),
                    sets,
                };
                self.wait(at, Work::Question(question), wait);
            }
            Call::Kqueue => {
                let result = process.kqueue();
                self.slots[at].kqueues.extend(result);
                self.opened(at, "kqueue", result);
            }
            Call::Kevent {
                kq,
                changes,
                max,
                wait,
            } => {
                let changes = changes
                    .into_iter()
                    .map(|one| Kevent::new(fd(one.fd), one.filter, one.flags))
                    .collect();
                let kq = fd(kq);
                self.wait(at, Work::Kevent { kq, changes, max }, wait);
            }
            Call::Sigaction(signal, action) => {
                self.check("sigaction", process.sigaction(signal, action))
            }
            Call::Kill(signal) => process.kill(signal),
            Call::Interrupt(which) => {
                if let Some(call) = self
                    .pending
                    .get(usize::from(which) % self.pending.len().max(1))
                {
                    call.token.interrupt();
                }
            }
            Call::Fork if self.slots.len() < CROWD => {
                let child = process
                    .fork()
                    .unwrap_or_else(|error| panic!("fork(2): {error:?}"));
                // kqueues are not inherited.
                self.slots.push(Slot {
                    end: self.slots[at].end,
                    ..Slot::new(child)
                });
            }
            Call::Fork => {}
            Call::Exit => process.exit(),
            Call::Watch(on, events) => {
                let watch = process.poll_watch(fd(on), events, Arc::new(|| {}));
                self.check("poll", watch.as_ref().map(|_| ()).map_err(|error| *error));
                self.watches.extend(watch.ok().map(|(_, watch)| watch));
                self.watches.truncate(CROWD);
            }
            Call::Unwatch => drop(self.watches.pop()),
            Call::Revoke => self.check("revoke", process.revoke(DEVICE)),
            Call::Load => self.load(&process),
            Call::Unload => self.unload(&process),
        }
        None
    }

    /// Calls [`Machine::check`] for a call that makes a descriptor.
    fn opened(&mut self, at: usize, call: &str, result: Result<Fd, Errno>) {
        let slot = &mut self.slots[at];
        slot.generation += 1;
        slot.end = slot.end.max(result.map_or(0, |fd| fd + 1));
        self.check(call, result);
    }

    fn ioctl(&mut self, process: &Process, fd: i32, request: u64, argument: Argument) {
        let mut memory;
        let bytes;
        let argument = match argument {
            Argument::Int(number) => IoctlArg::Int(number),
            Argument::Number(number, buffer) => {
                memory = Memory::new(buffer);
                memory.fill(&number.to_ne_bytes());
                IoctlArg::Data(memory.out())
            }
            Argument::Const(number) => {
                bytes = number.to_ne_bytes();
                IoctlArg::Const((&bytes).into())
            }
        };
        let result = process.ioctl(fd, request, argument);
        self.check("ioctl", result);
        (self.seen)(request as u32 ^ result.map_or_else(|error| error.0 as u32, |()| 0));
        if result.is_ok() && request == ECHODEV_CLEAR {
            self.cleared();
        }
    }

    /// Makes a call that has a timeout. If it has to wait without limit, it does so on its own
    /// thread.
    fn wait(&mut self, at: usize, mut work: Work, wait: bool) {
        let slot = &self.slots[at];
        let wait = wait && self.pending.len() < CROWD;
        // Threads are slow, so the condition is queried first.
        if !wait
            || work
                .question()
                .is_some_and(|question| question.ask(&slot.process) != Ok(0))
        {
            let done = work.perform(&slot.process, false);
            self.check(done.call, done.result);
        } else {
            self.pending.push(Pending::start(at, slot, work, None));
        }
    }

    /// read(2), write(2) and their variants, on their own thread if they may have to wait.
    fn transfer(&mut self, at: usize, process: &Process, wanted: Move) -> Option<Ended> {
        let fd = self.slots[at].descriptor(wanted.fd);
        let kind = wanted.kind;
        let mut memory: Vec<Memory> = wanted.buffers.into_iter().map(Memory::new).collect();
        let room = if wanted.write {
            memory.iter().map(Memory::len).sum()
        } else {
            0
        };
        let may_wait =
            process.getfl(fd).is_ok_and(|flags| flags & O_NONBLOCK == 0) && self.has_to_wait(room);
        if may_wait && self.pending.len() == CROWD {
            return None;
        }
        let writer = wanted.write.then(|| Writer {
            bytes: self.fill(&mut memory),
            taken: Some(0),
        });
        let mut work = match wanted.write {
            true => Work::Write {
                fd,
                from: memory,
                kind,
            },
            false => Work::Read {
                fd,
                into: memory,
                kind,
            },
        };
        if may_wait {
            self.pending
                .push(Pending::start(at, &self.slots[at], work, writer));
            return None;
        }
        Some((work.perform(process, false), writer))
    }

    /// Fills memory with the next bytes, and returns them. Bytes out of reach are only counted.
    fn fill(&mut self, memory: &mut [Memory]) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in memory {
            let from = all.len();
            for _ in 0..piece.len() {
                // A prime, so that a lost or duplicated byte is also found where the buffer wraps.
                self.next = (self.next + 1) % 251;
                all.push(self.next);
            }
            piece.fill(&all[from..]);
        }
        all
    }
}
