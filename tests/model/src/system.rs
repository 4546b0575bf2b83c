//! The kernel between the device and its users, as far as it affects the results of calls. That is
//! processes, descriptors, signals, load and unload, and the active calls ([`System::next`]).

use crate::call::{Call, Outcome, Value};
use crate::spec::{Device, Event, Watch};
use kldhost::{Errno, Fd, O_ACCMODE, O_RDONLY, O_WRONLY};

/// The object of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// An open file description, as its index in [`System::files`].
    File(usize),
    Kqueue,
}

/// Whether a description still refers to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    Live,
    Revoked,
    /// The module that it was opened on is gone.
    Unloaded,
}

/// An open description of the device.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct File {
    pub flags: i32,
    pub life: Life,
    pub refs: usize,
}

impl File {
    /// Whether it is open for reading.
    pub fn reads(&self) -> bool {
        self.flags & O_ACCMODE != O_WRONLY
    }

    /// Whether it is open for writing.
    pub fn writes(&self) -> bool {
        self.flags & O_ACCMODE != O_RDONLY
    }
}

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Proc {
    pub fds: Vec<Option<Slot>>,
    /// Its handler has SA_RESTART.
    pub restart: bool,
    /// Killed in the middle of a call.
    pub killed: bool,
}

/// An active call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    pub proc: usize,
    pub call: Call,
    /// It has gone to sleep, and has not checked its condition since.
    pub asleep: bool,
    /// A signal was sent to it.
    pub signal: bool,
    /// O_NONBLOCK, as it was when the device was entered.
    pub nonblock: Option<bool>,
    /// write(2): bytes moved.
    pub moved: usize,
    /// kevent(2): the watches that it still has to check in the current round.
    pub round: Vec<Watch>,
    /// kevent(2): the events found.
    pub found: Vec<Event>,
    /// kldunload(2): steps done.
    pub steps: usize,
}

impl Op {
    /// A call that has just begun.
    pub fn new(proc: usize, call: Call) -> Op {
        let (asleep, signal, nonblock, moved, steps) = (false, false, None, 0, 0);
        Op {
            proc,
            call,
            asleep,
            signal,
            nonblock,
            moved,
            round: Vec::new(),
            found: Vec::new(),
            steps,
        }
    }
}

/// The state of the whole system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    /// The tunables, which are the first size and the limit.
    pub tunables: (usize, usize),
    pub device: Option<Device>,
    pub files: Vec<File>,
    pub procs: Vec<Proc>,
    pub ops: Vec<Op>,
}

/// A possible next step. It has the system afterwards, and the result of the call if it ends.
pub type Next = (System, Option<Outcome>);

/// A result without a value.
pub const DONE: Outcome = Ok(Value::Done);

/// A result that is a number.
pub fn number(n: usize) -> Outcome {
    Ok(Value::Number(n as i64))
}

impl System {
    /// A system with the module loaded and `processes` processes.
    pub fn new(tunables: (usize, usize), procs: usize) -> System {
        let device = Some(Device::new(tunables.0, tunables.1));
        System {
            tunables,
            device,
            files: Vec::new(),
            procs: vec![Proc::default(); procs],
            ops: Vec::new(),
        }
    }

    /// The description of a descriptor.
    pub fn file(&self, proc: usize, fd: Fd) -> Result<usize, Errno> {
        match usize::try_from(fd)
            .ok()
            .and_then(|fd| *self.procs[proc].fds.get(fd)?)
        {
            Some(Slot::File(file)) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Whether an unload is under way.
    pub fn is_dying(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.dying)
    }

    /// Whether a call on a description reaches the device. While the device is being destroyed,
    /// both are possible.
    pub fn views(&self, file: usize) -> &'static [bool] {
        match (self.files[file].life, self.is_dying()) {
            (Life::Live, true) => &[true, false],
            (Life::Live, false) => &[true],
            _ => &[false],
        }
    }

    /// The device, which is there while a description is live.
    pub fn dev(&mut self) -> &mut Device {
        self.device
            .as_mut()
            .expect("a live description has a device")
    }

    /// Assigns the lowest free descriptor.
    pub fn install(&mut self, proc: usize, slot: Slot) -> Outcome {
        let fds = &mut self.procs[proc].fds;
        let fd = fds.iter().position(Option::is_none).unwrap_or(fds.len());
        if fd == fds.len() {
            fds.push(None);
        }
        fds[fd] = Some(slot);
        if let Slot::File(file) = slot {
            self.files[file].refs += 1;
        }
        number(fd)
    }

    /// Closes a descriptor. Returns whether the device's close was called.
    pub fn close(&mut self, proc: usize, fd: Fd) {
        let slot = self.procs[proc].fds[fd as usize].take();
        if let Some(device) = &mut self.device {
            device
                .watches
                .retain(|watch| watch.proc != proc || (watch.fd != fd && watch.kq != fd));
        }
        let Some(Slot::File(at)) = slot else { return };
        self.files[at].refs -= 1;
        if self.files[at].refs == 0 && self.files[at].life == Life::Live && self.files[at].writes()
        {
            self.dev().uncount();
        }
    }

    fn close_all(&mut self, proc: usize) {
        for fd in 0..self.procs[proc].fds.len() {
            if self.procs[proc].fds[fd].is_some() {
                self.close(proc, fd as Fd);
            }
        }
        self.procs[proc] = Proc::default();
    }

    /// Changes the state of all live descriptions.
    pub fn set_life(&mut self, life: Life) {
        self.files
            .iter_mut()
            .filter(|file| file.life == Life::Live)
            .for_each(|file| file.life = life);
    }

    /// The possible next steps of call `at`. There are none if it has to sleep until something
    /// changes.
    pub fn next(&self, at: usize) -> Vec<Next> {
        let proc = self.ops[at].proc;
        let mut all = self.section(at);
        if self.procs[proc].killed {
            all.push((self.clone(), Some(Err(Errno::KILLED))));
        }
        for (after, outcome) in &mut all {
            if let Some(outcome) = outcome {
                after.ops.remove(at);
                if self.procs[proc].killed {
                    *outcome = Err(Errno::KILLED);
                    after.close_all(proc);
                }
            }
        }
        all
    }

    /// Calls that end with one outcome, in one section.
    pub fn ends(&self, change: impl FnOnce(&mut System) -> Outcome) -> Vec<Next> {
        let mut after = self.clone();
        let outcome = change(&mut after);
        vec![(after, Some(outcome))]
    }

    /// Calls that end with one of several outcomes, in one section.
    pub fn either(&self, outcomes: &[Errno]) -> Vec<Next> {
        outcomes
            .iter()
            .map(|error| (self.clone(), Some(Err(*error))))
            .collect()
    }

    fn section(&self, at: usize) -> Vec<Next> {
        let Op { proc, ref call, .. } = self.ops[at];
        match *call {
            Call::Open { flags } => self.open(proc, flags),
            Call::Close { fd } => self.close_call(proc, fd),
            Call::Dup { fd } => self.ends(|after| {
                let file = after.file(proc, fd)?;
                after.install(proc, Slot::File(file))
            }),
            Call::Fork { child } => self.ends(|after| after.fork(proc, child)),
            Call::Read { .. } | Call::Write { .. } => self.transfer(at),
            Call::Ioctl { fd, request, bad } => self.ioctl(proc, fd, request, bad),
            Call::GetFlags { fd } => self.ends(|after| {
                let file = after.file(proc, fd)?;
                number(after.files[file].flags as usize)
            }),
            Call::SetFlags { fd, flags } => self.set_flags(proc, fd, flags),
            Call::Poll { .. } => self.poll(at),
            Call::Kqueue => self.ends(|after| after.install(proc, Slot::Kqueue)),
            Call::Watch { .. } | Call::Unwatch { .. } => self.change(at),
            Call::Kevent { .. } => self.kevent(at),
            Call::Handler { restart } => self.ends(|after| {
                after.procs[proc].restart = restart;
                DONE
            }),
            Call::Signal { target } => self.ends(|after| {
                after
                    .ops
                    .iter_mut()
                    .filter(|op| op.proc == target)
                    .for_each(|op| op.signal = true);
                DONE
            }),
            Call::Kill { target } => self.ends(|after| {
                match after.ops.iter().any(|op| op.proc == target) {
                    true => after.procs[target].killed = true,
                    false => after.close_all(target),
                }
                DONE
            }),
            Call::Revoke => self.revoke(),
            Call::Load => self.ends(|after| {
                after.device = Some(Device::new(after.tunables.0, after.tunables.1));
                DONE
            }),
            Call::Unload => self.unload(at),
        }
    }
}
