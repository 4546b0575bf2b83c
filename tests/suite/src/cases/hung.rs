//! A page fault that does not end, in the middle of a transfer, with the device's lock held. Other
//! readers and writers can be interrupted and killed. All continue when the fault ends.

use crate::abi::*;
use crate::call::{Call, From, Into, Value};
use crate::check::Outcome;
use crate::ctx::{Ctx, SIZE};
use crate::errno::*;
use crate::host::{ECHO_LOCK, ECHORD, ECHOWR, HUNGPG, Wmesg};
use crate::process::Process;
use crate::sys::{Fd, Reach};
use alloc::vec;
use alloc::vec::Vec;

cases! { "hung":
    writer [HungMemory, Signals],
    reader [HungMemory, Signals],
    restarted_by_the_handler [HungMemory, Signals, Restart],
    killed [HungMemory, Signals],
    sleeping_readers_are_interrupted [HungMemory, Signals],
    sleeping_writers_are_interrupted [HungMemory, Signals],
    revoke_reaches_a_writer_that_waits_for_the_lock [HungMemory, Revoke],
    unload_waits [Unload, HungMemory],
}

/// A process that reads or writes through the descriptor.
struct User {
    process: Process,
    fd: Fd,
    writes: bool,
}

/// A reader and a writer that share a descriptor with `p`. They must not open or close the device,
/// because that takes the lock.
fn users(p: &mut Process, fd: Fd) -> Outcome<Vec<User>> {
    [false, true]
        .into_iter()
        .map(|writes| {
            Ok(User {
                process: p.fork()?,
                fd,
                writes,
            })
        })
        .collect()
}

impl User {
    /// Begins to wait for the lock.
    fn wait(&mut self, cx: &mut Ctx) -> Outcome {
        let call = if self.writes {
            Call::write(self.fd, b"abc")
        } else {
            Call::read(self.fd, 100)
        };
        self.process.start(call)?;
        cx.asleep(&self.process, ECHO_LOCK)
    }
}

fn hung_write(cx: &mut Ctx, p: &mut Process, fd: Fd) -> Outcome {
    p.start(Call::Write {
        fd,
        from: From {
            bytes: vec![0; 8],
            reach: Reach::Hung,
        },
    })?;
    cx.asleep(p, HUNGPG)
}

/// Signals end some calls and some processes.
fn interrupt_and_kill(cx: &mut Ctx, to_interrupt: Vec<User>, to_kill: Vec<User>) -> Outcome {
    for mut user in to_interrupt {
        user.wait(cx)?;
        user.process.kill(SIGINT)?;
        check_eq!(
            user.process.finish()?,
            Err(EINTR),
            "writes: {}",
            user.writes
        );
        check_eq!(user.process.caught(SIGINT)?, 1);
    }
    for mut user in to_kill {
        user.wait(cx)?;
        user.process.killed()?;
    }
    Ok(())
}

fn interruptible(p: &mut Process, fd: Fd) -> Outcome<Vec<User>> {
    let mut users = users(p, fd)?;
    for user in &mut users {
        user.process.catch(SIGINT, false)?;
    }
    Ok(users)
}

fn works(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR | O_NONBLOCK)?;
    check_eq!(p.read(rw, 9)?, Err(EWOULDBLOCK));
    check_eq!(p.write(rw, b"xyz")?, Ok(3));
    check_eq!(p.read(rw, 9)?, Ok(b"xyz".to_vec()));
    Ok(())
}

fn writer(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let to_interrupt = interruptible(&mut p, rw)?;
    let (to_kill, mut stay) = (users(&mut p, rw)?, users(&mut p, rw)?);
    hung_write(cx, &mut p, rw)?;
    interrupt_and_kill(cx, to_interrupt, to_kill)?;
    for user in &mut stay {
        user.wait(cx)?;
    }
    cx.asleep(&p, HUNGPG)?;
    cx.release_faults()?;
    check_eq!(p.finish_write()?, Ok(8));
    check_eq!(stay[1].process.finish_write()?, Ok(3));
    // The kernel decides whether the reader or the writer is first.
    let mut got = stay[0].process.finish_read()?.unwrap_or_default();
    let rest = p.held(rw)? as usize;
    if rest != 0 {
        got.extend(p.read(rw, rest)?.unwrap_or_default());
    }
    check_eq!(got, b"\0\0\0\0\0\0\0\0abc".to_vec());
    works(cx)
}

fn reader(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    check_eq!(p.write(rw, b"12345678")?, Ok(8));
    let to_interrupt = interruptible(&mut p, rw)?;
    let (to_kill, mut stay) = (users(&mut p, rw)?, users(&mut p, rw)?);
    p.start(Call::Read {
        fd: rw,
        into: Into {
            len: 8,
            reach: Reach::Hung,
        },
    })?;
    cx.asleep(&p, HUNGPG)?;
    interrupt_and_kill(cx, to_interrupt, to_kill)?;
    for user in &mut stay {
        user.wait(cx)?;
    }
    cx.asleep(&p, HUNGPG)?;
    cx.release_faults()?;
    check!(p.finish_read()?.is_ok(), "the read failed");
    check_eq!(stay[1].process.finish_write()?, Ok(3));
    check_eq!(stay[0].process.finish_read()?, Ok(b"abc".to_vec()));
    works(cx)
}

fn restarted_by_the_handler(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let mut users = users(&mut p, rw)?;
    for user in &mut users {
        user.process.catch(SIGUSR1, true)?;
    }
    hung_write(cx, &mut p, rw)?;
    for user in &mut users {
        user.wait(cx)?;
        user.process.kill(SIGUSR1)?;
        cx.asleep(&user.process, ECHO_LOCK)?;
    }
    cx.release_faults()?;
    check_eq!(p.finish_write()?, Ok(8));
    for user in &mut users {
        check!(
            user.process.finish()?.is_ok(),
            "it was not restarted; writes: {}",
            user.writes
        );
        check_eq!(user.process.caught(SIGUSR1)?, 1);
    }
    Ok(())
}

/// The process itself ends when the fault does.
fn killed(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let to_interrupt = interruptible(&mut p, rw)?;
    hung_write(cx, &mut p, rw)?;
    p.kill(SIGKILL)?;
    interrupt_and_kill(cx, to_interrupt, vec![])?;
    cx.release_faults()?;
    p.died()?;
    let (mut p, r) = cx.opened(O_RDONLY)?;
    check_eq!(p.held(r)?, 8);
    check_eq!(p.read(r, 9)?, Ok(vec![0; 8]));
    works(cx)
}

/// Two processes asleep in `call`, which do not need the lock to return. One is interrupted, and
/// one is killed.
fn sleepers_are_interrupted(
    cx: &mut Ctx,
    p: &mut Process,
    call: &Call,
    wmesg: Wmesg,
    hang: Call,
) -> Outcome {
    let mut sleepers = vec![p.fork()?, p.fork()?];
    for process in &mut sleepers {
        process.catch(SIGINT, false)?;
        process.start(call.clone())?;
        cx.asleep(process, wmesg)?;
    }
    p.start(hang)?;
    cx.asleep(p, HUNGPG)?;
    for (mut process, is_killed) in sleepers.into_iter().zip([false, true]) {
        if is_killed {
            process.killed()?;
        } else {
            process.kill(SIGINT)?;
            check_eq!(process.finish()?, Err(EINTR));
        }
    }
    cx.asleep(p, HUNGPG)?;
    cx.release_faults()?;
    check!(p.finish()?.is_ok(), "the call that hung has failed");
    Ok(())
}

fn sleeping_readers_are_interrupted(cx: &mut Ctx) -> Outcome {
    let (mut p, fd) = cx.opened(O_RDWR)?;
    let hang = Call::Write {
        fd,
        from: From {
            bytes: vec![0; 8],
            reach: Reach::Hung,
        },
    };
    sleepers_are_interrupted(cx, &mut p, &Call::read(fd, 9), ECHORD, hang)?;
    check_eq!(p.read(fd, 9)?, Ok(vec![0; 8]));
    works(cx)
}

fn sleeping_writers_are_interrupted(cx: &mut Ctx) -> Outcome {
    let (mut p, fd) = cx.opened(O_RDWR)?;
    check_eq!(p.write(fd, &[b'x'; SIZE])?, Ok(SIZE));
    let hang = Call::Read {
        fd,
        into: Into {
            len: SIZE,
            reach: Reach::Hung,
        },
    };
    sleepers_are_interrupted(cx, &mut p, &Call::write(fd, b"abc"), ECHOWR, hang)?;
    check_eq!(p.held(fd)?, 0);
    works(cx)
}

/// The writer is not yet asleep for room when its descriptor is revoked, and must not sleep
/// afterwards.
fn revoke_reaches_a_writer_that_waits_for_the_lock(cx: &mut Ctx) -> Outcome {
    let (mut p, fd) = cx.opened(O_RDWR)?;
    let mut writer = User {
        process: p.fork()?,
        fd,
        writes: true,
    };
    let mut admin = cx.process()?;
    p.start(Call::Write {
        fd,
        from: From {
            bytes: vec![0; SIZE],
            reach: Reach::Hung,
        },
    })?;
    cx.asleep(&p, HUNGPG)?;
    writer.wait(cx)?;
    admin.start(Call::Revoke)?;
    cx.asleep(&admin, ECHO_LOCK)?;
    cx.release_faults()?;
    check_eq!(admin.finish()?, Ok(Value::Done));
    check_eq!(p.finish_write()?, Ok(SIZE));
    check_one_of!(writer.process.finish_write()?, [Err(EIO), Err(ENXIO)]);
    Ok(())
}

fn unload_waits(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    hung_write(cx, &mut p, rw)?;
    let id = cx.loaded()?;
    let mut unloader = cx.process()?;
    unloader.start(Call::Kldunload { id })?;
    cx.asleep(&unloader, ECHO_LOCK)?;
    cx.release_faults()?;
    check_eq!(unloader.finish()?, Ok(Value::Done));
    check_eq!(p.finish_write()?, Ok(8));
    Ok(())
}
