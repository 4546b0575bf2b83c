//! The calls that do not sleep, and kldunload(2), which waits for others.

use crate::call::{Call, Outcome, Request};
use crate::system::{DONE, File, Life, Next, Op, Proc, Slot, System, number};
use kldhost::{Errno, Fd, O_ASYNC, O_NONBLOCK};

impl System {
    /// open(2). If the device is being destroyed, the kernel may fail the call itself.
    pub fn open(&self, proc: usize, flags: i32) -> Vec<Next> {
        match &self.device {
            None => self.either(&[Errno::ENOENT]),
            Some(device) if device.dying => self.either(&[Errno::ENXIO, Errno::ENOENT]),
            Some(_) => self.ends(|after| {
                let file = File {
                    flags,
                    life: Life::Live,
                    refs: 0,
                };
                after.dev().open(file.writes())?;
                after.files.push(file);
                after.install(proc, Slot::File(after.files.len() - 1))
            }),
        }
    }

    /// close(2).
    pub fn close_call(&self, proc: usize, fd: Fd) -> Vec<Next> {
        let Some(Some(slot)) = usize::try_from(fd)
            .ok()
            .and_then(|fd| self.procs[proc].fds.get(fd))
        else {
            return self.either(&[Errno::EBADF]);
        };
        let mut all = self.ends(|after| {
            after.close(proc, fd);
            DONE
        });
        // The kernel reports that the device is gone until it has revoked the descriptor.
        if let Slot::File(file) = *slot
            && (self.files[file].life == Life::Unloaded || self.is_dying())
        {
            all.push((all[0].0.clone(), Some(Err(Errno::ENXIO))));
        }
        all
    }

    /// fork(2), which copies descriptors of the device.
    pub fn fork(&mut self, proc: usize, child: usize) -> Outcome {
        let inherit = |slot: &Option<Slot>| slot.filter(|slot| *slot != Slot::Kqueue);
        self.procs[child] = Proc {
            fds: self.procs[proc].fds.iter().map(inherit).collect(),
            ..self.procs[proc].clone()
        };
        for slot in self.procs[child].fds.clone() {
            if let Some(Slot::File(file)) = slot {
                self.files[file].refs += 1;
            }
        }
        DONE
    }

    /// ioctl(2). The kernel copies the argument, and keeps the two flags.
    pub fn ioctl(&self, proc: usize, fd: Fd, request: Request, bad: bool) -> Vec<Next> {
        let takes = matches!(
            request,
            Request::Resize(_) | Request::NonBlock(_) | Request::Async(_)
        );
        let gives = matches!(request, Request::Size | Request::Count(_));
        if bad && takes {
            return self.either(&[Errno::EFAULT]);
        }
        let Ok(file) = self.file(proc, fd) else {
            return self.either(&[Errno::EBADF]);
        };
        let mut before = self.clone();
        let flags = &mut before.files[file].flags;
        match request {
            Request::NonBlock(on) => {
                *flags = *flags & !O_NONBLOCK | if on { O_NONBLOCK } else { 0 }
            }
            Request::Async(on) => *flags = *flags & !O_ASYNC | if on { O_ASYNC } else { 0 },
            _ => {}
        }
        let one = |&live: &bool| match live {
            false => before.either(&[Errno::ENXIO, Errno::ENOTTY]),
            true => before.ends(|after| match after.device_ioctl(file, request)? {
                _ if bad && gives => Err(Errno::EFAULT),
                value => Ok(value),
            }),
        };
        before.views(file).iter().flat_map(one).collect()
    }

    fn device_ioctl(&mut self, file: usize, request: Request) -> Outcome {
        let writes = self.files[file].writes();
        let device = self.dev();
        match request {
            Request::Size => number(device.len),
            Request::Resize(_) | Request::Clear if !writes => Err(Errno::EPERM),
            Request::Resize(len) => device.resize(len).and(DONE),
            Request::Clear => {
                device.clear();
                DONE
            }
            Request::NonBlock(_) | Request::Async(false) => DONE,
            Request::Async(true) => Err(Errno::EINVAL),
            Request::Count(side) => number(device.count(side)),
            Request::Unknown => Err(Errno::ENOTTY),
        }
    }

    /// F_SETFL sends both flags to the device. A flag that it refuses remains set, and the other is
    /// cleared.
    pub fn set_flags(&self, proc: usize, fd: Fd, flags: i32) -> Vec<Next> {
        const CHANGED: i32 = O_NONBLOCK | O_ASYNC;
        let Ok(file) = self.file(proc, fd) else {
            return self.either(&[Errno::EBADF]);
        };
        let mut before = self.clone();
        before.files[file].flags = before.files[file].flags & !CHANGED | flags & CHANGED;
        let mut all = Vec::new();
        for &live in before.views(file) {
            if !live {
                all.extend(before.either(&[Errno::ENXIO, Errno::ENOTTY]));
            } else if flags & O_ASYNC == 0 {
                all.extend(before.ends(|_| DONE));
            } else {
                all.extend(before.ends(|after| {
                    after.files[file].flags &= !O_NONBLOCK;
                    Err(Errno::EINVAL)
                }));
            }
        }
        all
    }

    /// revoke(2).
    pub fn revoke(&self) -> Vec<Next> {
        match &self.device {
            None => self.either(&[Errno::ENOENT]),
            Some(device) => {
                let mut all = if device.dying {
                    self.either(&[Errno::ENOENT])
                } else {
                    Vec::new()
                };
                all.extend(self.ends(|after| {
                    if after
                        .files
                        .iter()
                        .any(|file| file.life == Life::Live && file.refs > 0)
                    {
                        after.set_life(Life::Revoked);
                        after.dev().revoke();
                    }
                    DONE
                }));
                all
            }
        }
    }

    /// kldunload(2), in three steps.
    pub fn unload(&self, at: usize) -> Vec<Next> {
        let mut after = self.clone();
        after.ops[at].steps += 1;
        let reads_or_writes = |op: &Op| matches!(op.call, Call::Read { .. } | Call::Write { .. });
        match self.ops[at].steps {
            0 => after.dev().hang_up(),
            // destroy_dev(9) waits for threads in the device's methods.
            1 if self.ops.iter().any(|op| op.asleep && reads_or_writes(op)) => return Vec::new(),
            1 => after.set_life(Life::Unloaded),
            // Threads in kevent(2) are notified before the knotes are removed.
            2 if self.ops.iter().any(|op| self.is_to_be_notified(op)) => return Vec::new(),
            _ => {
                after.device = None;
                return vec![(after, Some(DONE))];
            }
        }
        vec![(after, None)]
    }
}
