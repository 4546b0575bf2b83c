//! A process as the cases use it. Calls have types, and every trouble is a [`Failure`] at the place
//! of the call.

mod calls;

use crate::abi::SIGKILL;
use crate::bulk::{Drained, Poured};
use crate::call::{Call, Reply, Value};
use crate::check::{Failure, Outcome};
use crate::host::{Pid, Proc, Trouble};
use crate::sys::{FdSets, Kevent, PollFd, Result};
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

/// A process. It ends when it is dropped.
pub struct Process(Box<dyn Proc>);

/// Defines a function that returns the value of one kind in a reply.
macro_rules! unwrap_value {
    ($name:ident, $variant:ident -> $type:ty) => {
        #[track_caller]
        fn $name(reply: Reply) -> Outcome<Result<$type>> {
            match reply {
                Ok(Value::$variant(value)) => Ok(Ok(value)),
                Ok(other) => Err(Failure::new(format!("the process answered with {other:?}"))),
                Err(error) => Ok(Err(error)),
            }
        }
    };
}

unwrap_value!(number, Number -> i64);
unwrap_value!(bytes, Bytes -> Vec<u8>);
unwrap_value!(polled, Polled -> Vec<PollFd>);
unwrap_value!(selected, Selected -> FdSets);
unwrap_value!(events, Events -> Vec<Kevent>);
unwrap_value!(poured, Poured -> Poured);
unwrap_value!(drained, Drained -> Drained);

#[track_caller]
fn done(reply: Reply) -> Outcome<Result<()>> {
    match reply {
        Ok(Value::Done) => Ok(Ok(())),
        Ok(other) => Err(Failure::new(format!("the process answered with {other:?}"))),
        Err(error) => Ok(Err(error)),
    }
}

#[track_caller]
fn count(reply: Reply) -> Outcome<Result<usize>> {
    Ok(number(reply)?.map(|n| n as usize))
}

/// The entry of a poll(2) with one entry.
#[track_caller]
fn revents(reply: Reply) -> Outcome<Result<i16>> {
    match polled(reply)? {
        Ok(fds) if fds.len() == 1 => Ok(Ok(fds[0].revents)),
        Ok(fds) => Err(Failure::new(format!(
            "poll of one descriptor answered with {fds:?}"
        ))),
        Err(error) => Ok(Err(error)),
    }
}

/// The call's value, or a failure that names the call and its error.
#[track_caller]
fn must<T>(call: &str, result: Result<T>) -> Outcome<T> {
    match result {
        Ok(value) => Ok(value),
        Err(error) => Err(Failure::new(format!("{call}: {error}"))),
    }
}

#[track_caller]
fn no_trouble<T>(pid: Pid, what: &str, result: core::result::Result<T, Trouble>) -> Outcome<T> {
    match result {
        Ok(value) => Ok(value),
        Err(trouble) => Err(Failure::new(format!("process {pid}, {what}: {trouble}"))),
    }
}

impl Process {
    /// The process behind `proc`.
    pub fn new(proc: Box<dyn Proc>) -> Process {
        Process(proc)
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.0.pid()
    }

    /// Starts a call; one of the `finish` methods has its outcome.
    #[track_caller]
    pub fn start(&mut self, call: Call) -> Outcome {
        no_trouble(self.pid(), &format!("{call:?}"), self.0.start(&call))
    }

    /// Waits for the call that was started.
    #[track_caller]
    pub fn finish(&mut self) -> Outcome<Reply> {
        no_trouble(self.pid(), "the call that was started", self.0.wait())
    }

    /// Makes a call and waits for it.
    #[track_caller]
    pub fn call(&mut self, call: Call) -> Outcome<Reply> {
        no_trouble(
            self.pid(),
            &format!("{call:?}"),
            self.0.start(&call).and_then(|()| self.0.wait()),
        )
    }

    /// [`Process::finish`] for a read.
    #[track_caller]
    pub fn finish_read(&mut self) -> Outcome<Result<Vec<u8>>> {
        bytes(self.finish()?)
    }

    /// [`Process::finish`] for a write.
    #[track_caller]
    pub fn finish_write(&mut self) -> Outcome<Result<usize>> {
        count(self.finish()?)
    }

    /// [`Process::finish`] for [`Call::poll`]: what was found.
    #[track_caller]
    pub fn finish_poll(&mut self) -> Outcome<Result<i16>> {
        revents(self.finish()?)
    }

    /// [`Process::finish`] for select(2).
    #[track_caller]
    pub fn finish_select(&mut self) -> Outcome<Result<FdSets>> {
        selected(self.finish()?)
    }

    /// [`Process::finish`] for kevent(2).
    #[track_caller]
    pub fn finish_kevent(&mut self) -> Outcome<Result<Vec<Kevent>>> {
        events(self.finish()?)
    }

    /// [`Process::finish`] for [`Call::Pour`].
    #[track_caller]
    pub fn finish_pour(&mut self) -> Outcome<Poured> {
        must("pour", poured(self.finish()?)?)
    }

    /// [`Process::finish`] for [`Call::Drain`].
    #[track_caller]
    pub fn finish_drain(&mut self) -> Outcome<Drained> {
        must("drain", drained(self.finish()?)?)
    }

    /// fork(2)
    #[track_caller]
    pub fn fork(&mut self) -> Outcome<Process> {
        Ok(Process(no_trouble(self.pid(), "fork", self.0.fork())?))
    }

    /// kill(2) of this process.
    #[track_caller]
    pub fn kill(&mut self, signal: i32) -> Outcome {
        no_trouble(self.pid(), "kill", self.0.kill(signal))
    }

    /// Kills the process with SIGKILL in the middle of a call, and waits until it is gone.
    #[track_caller]
    pub fn killed(mut self) -> Outcome {
        self.kill(SIGKILL)?;
        self.died()
    }

    /// Waits until the process is gone, because something else ends it in the middle of a call.
    #[track_caller]
    pub fn died(mut self) -> Outcome {
        match self.0.wait() {
            Err(Trouble::Died) => Ok(()),
            other => Err(Failure::new(format!(
                "process {}: expected its death, got {other:?}",
                self.pid()
            ))),
        }
    }

    /// exit(2). The process is gone afterwards.
    #[track_caller]
    pub fn exit(mut self) -> Outcome {
        no_trouble(self.pid(), "exit", self.0.exit())
    }
}
