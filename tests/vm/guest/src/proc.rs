//! A process that the suite controls.

use crate::agent::{self, Order};
use crate::channel::{Channel, Nothing};
use crate::freebsd::{kinfo, processes, time};
use crate::hungmap;
use alloc::boxed::Box;
use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};
use suite::abi::SIGKILL;
use suite::call::{Call, Reply};
use suite::host::{Pid, Proc, Result, Trouble};
use suite::sys;

/// The seconds after which an operation counts as hung. Emulated machines are slow.
pub const BOUND: u64 = 60;

/// The same after something has hung, because other operations probably also hang.
const BOUND_AFTER: u64 = 2;

/// The current bound.
static IN_FORCE: AtomicU64 = AtomicU64::new(BOUND);

/// Sets it for a new case.
pub fn set_bound(seconds: u64) {
    IN_FORCE.store(seconds, Ordering::Relaxed);
}

/// The time, by [`time::now`], at which an operation that begins now counts as hung.
pub fn deadline() -> u64 {
    time::now() + 1000 * IN_FORCE.load(Ordering::Relaxed)
}

/// A process of the kernel under test.
pub struct Process {
    pid: Pid,
    channel: Channel,
    gone: bool,
}

impl Process {
    /// A new process.
    pub fn new() -> Result<Self> {
        let (pid, channel) =
            agent::spawn().map_err(|error| Trouble::Other(format!("fork: {error}")))?;
        Ok(Self {
            pid,
            channel,
            gone: false,
        })
    }

    fn trouble(&self, nothing: Nothing) -> Trouble {
        match nothing {
            Nothing::Closed => Trouble::Died,
            Nothing::Broken(what) => Trouble::Other(what),
            Nothing::TimedOut => {
                let state = match kinfo::wmesg(self.pid) {
                    Ok(Some(wmesg)) => format!("it sleeps on {wmesg}"),
                    Ok(None) => "it does not sleep".into(),
                    Err(error) => format!("asking how it sleeps: {error}"),
                };
                let bound = IN_FORCE.swap(BOUND_AFTER, Ordering::Relaxed);
                Trouble::Hung(format!(
                    "no answer of process {} within {bound} s; {state}",
                    self.pid
                ))
            }
        }
    }

    fn order(&self, order: &Order) -> Result<()> {
        self.channel
            .send(order)
            .map_err(|nothing| self.trouble(nothing))
    }

    /// Waits until the process is gone.
    fn wait_gone(&mut self) -> Result<()> {
        self.channel
            .wait_closed(deadline())
            .map_err(|nothing| self.trouble(nothing))?;
        // It may be the child of another process, so this one cannot wait for it.
        let _ = processes::wait(self.pid);
        self.gone = true;
        Ok(())
    }
}

impl Proc for Process {
    fn pid(&self) -> Pid {
        self.pid
    }

    fn start(&mut self, call: &Call) -> Result<()> {
        self.order(&Order::Call(call.clone()))
    }

    fn wait(&mut self) -> Result<Reply> {
        let reply = self.channel.receive(Some(deadline()));
        if matches!(reply, Err(Nothing::Closed)) {
            self.wait_gone()?;
        }
        reply.map_err(|nothing| self.trouble(nothing))
    }

    fn fork(&mut self) -> Result<Box<dyn Proc>> {
        self.order(&Order::Fork)?;
        let reply: sys::Result<Pid> = self
            .channel
            .receive(Some(deadline()))
            .map_err(|nothing| self.trouble(nothing))?;
        let pid = reply.map_err(|error| Trouble::Other(format!("fork: {error}")))?;
        let channel = self
            .channel
            .receive_channel()
            .map_err(|nothing| self.trouble(nothing))?;
        Ok(Box::new(Process {
            pid,
            channel,
            gone: false,
        }))
    }

    fn kill(&mut self, signal: i32) -> Result<()> {
        // The kernel ends the sleep before kill(2) returns.
        processes::kill(self.pid, signal)
            .map_err(|error| Trouble::Other(format!("kill {}: {error}", self.pid)))
    }

    fn exit(&mut self) -> Result<()> {
        self.order(&Order::Exit)?;
        self.wait_gone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.gone {
            let _ = self.kill(SIGKILL);
            if self.wait_gone().is_err() {
                // It may be in a page fault that does not end. A process that cannot be killed is
                // also found later, because the module then cannot be unloaded.
                let _ = hungmap::release();
                let _ = self.wait_gone();
            }
        }
    }
}
