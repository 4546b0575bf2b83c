//! What lies between the device and its users, as far as the rules of the device show through it:
//! processes, descriptors, signals, load and unload. And the calls that are under way: see
//! [`System::next`].

use crate::call::{Call, Outcome, Value};
use crate::spec::{Device, Event, Watch};
use kldhost::{Errno, Fd, O_ACCMODE, O_RDONLY, O_WRONLY};

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// An open description: its place in [`System::files`].
    File(usize),
    Kqueue,
}

/// Whether a description still leads to the device.
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

/// A call under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    pub who: usize,
    pub call: Call,
    /// It has gone to sleep, and not looked again since.
    pub asleep: bool,
    /// A signal was sent to it.
    pub signal: bool,
    /// O_NONBLOCK, as it was when the device was entered.
    pub nonblock: Option<bool>,
    /// write(2): bytes moved.
    pub moved: usize,
    /// kevent(2): what it has yet to look at, in the round that it makes now.
    pub round: Vec<Watch>,
    /// kevent(2): what it has found.
    pub found: Vec<Event>,
    /// kldunload(2): steps done.
    pub steps: usize,
}

impl Op {
    /// A call that has just begun.
    pub fn new(who: usize, call: Call) -> Op {
        let (asleep, signal, nonblock, moved, steps) = (false, false, None, 0, 0);
        Op {
            who,
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

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct System {
    /// The tunables: the first size, and the largest.
    pub tunables: (usize, usize),
    pub device: Option<Device>,
    pub files: Vec<File>,
    pub procs: Vec<Proc>,
    pub ops: Vec<Op>,
}

/// What may happen next: the system afterwards, and how the call ends, if it does.
pub type Next = (System, Option<Outcome>);

/// A result that is nothing.
pub const DONE: Outcome = Ok(Value::Done);

/// A result that is a number.
pub fn number(n: usize) -> Outcome {
    Ok(Value::Number(n as i64))
}

impl System {
    /// With the module loaded, and so many processes.
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

    /// The description behind a descriptor.
    pub fn file(&self, who: usize, fd: Fd) -> Result<usize, Errno> {
        match usize::try_from(fd)
            .ok()
            .and_then(|fd| *self.procs[who].fds.get(fd)?)
        {
            Some(Slot::File(file)) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Whether an unload is under way.
    pub fn is_dying(&self) -> bool {
        self.device.as_ref().is_some_and(|device| device.dying)
    }

    /// Whether the call of a description reaches the device: while it is going away, one or the
    /// other.
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

    /// Puts something at the lowest free descriptor.
    pub fn install(&mut self, who: usize, slot: Slot) -> Outcome {
        let fds = &mut self.procs[who].fds;
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

    /// Closes a descriptor; whether the device was told.
    pub fn close(&mut self, who: usize, fd: Fd) {
        let slot = self.procs[who].fds[fd as usize].take();
        if let Some(device) = &mut self.device {
            device
                .watches
                .retain(|watch| watch.proc != who || (watch.fd != fd && watch.kq != fd));
        }
        let Some(Slot::File(at)) = slot else { return };
        self.files[at].refs -= 1;
        if self.files[at].refs == 0 && self.files[at].life == Life::Live && self.files[at].writes()
        {
            self.dev().uncount();
        }
    }

    fn close_all(&mut self, who: usize) {
        for fd in 0..self.procs[who].fds.len() {
            if self.procs[who].fds[fd].is_some() {
                self.close(who, fd as Fd);
            }
        }
        self.procs[who] = Proc::default();
    }

    /// What becomes of all descriptions that are live.
    pub fn set_life(&mut self, life: Life) {
        self.files
            .iter_mut()
            .filter(|file| file.life == Life::Live)
            .for_each(|file| file.life = life);
    }

    /// What call `at` may do next. Nothing, if it has to sleep until something changes.
    pub fn next(&self, at: usize) -> Vec<Next> {
        let who = self.ops[at].who;
        let mut all = self.stretch(at);
        if self.procs[who].killed {
            all.push((self.clone(), Some(Err(Errno::KILLED))));
        }
        for (after, outcome) in &mut all {
            if let Some(outcome) = outcome {
                after.ops.remove(at);
                if self.procs[who].killed {
                    *outcome = Err(Errno::KILLED);
                    after.close_all(who);
                }
            }
        }
        all
    }

    /// Calls that end with one outcome, in one stretch.
    pub fn ends(&self, change: impl FnOnce(&mut System) -> Outcome) -> Vec<Next> {
        let mut after = self.clone();
        let outcome = change(&mut after);
        vec![(after, Some(outcome))]
    }

    /// As [`System::ends`], with a choice.
    pub fn either(&self, outcomes: &[Errno]) -> Vec<Next> {
        outcomes
            .iter()
            .map(|error| (self.clone(), Some(Err(*error))))
            .collect()
    }

    fn stretch(&self, at: usize) -> Vec<Next> {
        let Op { who, ref call, .. } = self.ops[at];
        match *call {
            Call::Open { flags } => self.open(who, flags),
            Call::Close { fd } => self.close_call(who, fd),
            Call::Dup { fd } => self.ends(|after| {
                let file = after.file(who, fd)?;
                after.install(who, Slot::File(file))
            }),
            Call::Fork { child } => self.ends(|after| after.fork(who, child)),
            Call::Read { .. } | Call::Write { .. } => self.transfer(at),
            Call::Ioctl { fd, request, bad } => self.ioctl(who, fd, request, bad),
            Call::GetFlags { fd } => self.ends(|after| {
                let file = after.file(who, fd)?;
                number(after.files[file].flags as usize)
            }),
            Call::SetFlags { fd, flags } => self.set_flags(who, fd, flags),
            Call::Poll { .. } => self.poll(at),
            Call::Kqueue => self.ends(|after| after.install(who, Slot::Kqueue)),
            Call::Watch { .. } | Call::Unwatch { .. } => self.change(at),
            Call::Kevent { .. } => self.kevent(at),
            Call::Handler { restart } => self.ends(|after| {
                after.procs[who].restart = restart;
                DONE
            }),
            Call::Signal { target } => self.ends(|after| {
                after
                    .ops
                    .iter_mut()
                    .filter(|op| op.who == target)
                    .for_each(|op| op.signal = true);
                DONE
            }),
            Call::Kill { target } => self.ends(|after| {
                match after.ops.iter().any(|op| op.who == target) {
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
