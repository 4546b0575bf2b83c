//! The environment of a case, with the host and the module that was loaded for it.

use crate::abi::O_WRONLY;
use crate::check::{Failure, Outcome};
use crate::host::{self, Block, Host, MemoryStats, Need, Node, Wmesg};
use crate::process::Process;
use crate::sys::{Fd, Result};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The buffer's size after a load without tunables.
pub const SIZE: usize = 64;

/// The largest size without tunables.
pub const MAX_SIZE: u64 = 16 << 20;

/// The environment of one case.
pub struct Ctx<'h> {
    host: &'h mut dyn Host,
    /// Loads and unloads, and revokes.
    admin: Process,
    module: Option<i32>,
    tunables: Vec<String>,
}

#[track_caller]
fn must<T>(what: &str, result: host::Result<T>) -> Outcome<T> {
    match result {
        Ok(value) => Ok(value),
        Err(trouble) => Err(Failure::new(format!("{what}: {trouble}"))),
    }
}

impl<'h> Ctx<'h> {
    /// A device in its first state. The module has just been loaded. If the host cannot do that,
    /// the device is emptied and has its first size.
    pub fn begin(host: &'h mut dyn Host) -> Outcome<Ctx<'h>> {
        let admin = Process::new(must("the first process", host.process())?);
        let mut cx = Ctx {
            host,
            admin,
            module: None,
            tunables: Vec::new(),
        };
        if cx.has(Need::Unload) {
            cx.load()?;
        } else {
            let fd = cx.admin.open(O_WRONLY)?;
            cx.admin.clear(fd)?;
            cx.admin.resize(fd, SIZE as u64)?;
            cx.admin.close(fd)?;
        }
        Ok(cx)
    }

    /// Unloads unless the case did, and checks that nothing is left and that the kernel has not
    /// complained.
    pub fn end(mut self) -> Outcome {
        let mut left = MemoryStats::default();
        if self.has(Need::Unload) {
            if self.module.is_some() {
                self.unload()?;
            }
            if self.has(Need::MemoryStats) {
                left = self.memory()?;
            }
        }
        must("after the case", self.host.health())?;
        for name in core::mem::take(&mut self.tunables) {
            must("unsetting a tunable", self.host.set_tunable(&name, None))?;
        }
        check_eq!(
            left,
            MemoryStats::default(),
            "memory of the module's type after its unload"
        );
        Ok(())
    }

    fn has(&self, need: Need) -> bool {
        self.host.lacks(need).is_none()
    }

    /// A new process.
    #[track_caller]
    pub fn process(&mut self) -> Outcome<Process> {
        Ok(Process::new(must("a new process", self.host.process())?))
    }

    /// A new process that has the device open.
    #[track_caller]
    pub fn opened(&mut self, flags: i32) -> Outcome<(Process, Fd)> {
        let mut process = self.process()?;
        let fd = process.open(flags)?;
        Ok((process, fd))
    }

    /// Waits until the process sleeps in the wait channel.
    #[track_caller]
    pub fn asleep(&mut self, process: &Process, wmesg: Wmesg) -> Outcome {
        must(
            &format!("process {} asleep in {wmesg}", process.pid()),
            self.host.wait_asleep(process.pid(), wmesg),
        )
    }

    /// Loads the module.
    #[track_caller]
    pub fn try_load(&mut self) -> Outcome<Result<()>> {
        Ok(self.admin.kldload()?.map(|id| self.module = Some(id)))
    }

    /// Loads the module, which must succeed.
    #[track_caller]
    pub fn load(&mut self) -> Outcome {
        match self.try_load()? {
            Ok(()) => Ok(()),
            Err(error) => Err(Failure::new(format!("kldload: {error}"))),
        }
    }

    /// Unloads the module, which must succeed.
    #[track_caller]
    pub fn unload(&mut self) -> Outcome {
        let id = self.loaded()?;
        match self.admin.kldunload(id)? {
            Ok(()) => Ok(()),
            Err(error) => Err(Failure::new(format!("kldunload: {error}"))),
        }
    }

    /// The file id of the loaded module, for a process that unloads it itself. The module does not
    /// belong to the case afterwards.
    #[track_caller]
    pub fn loaded(&mut self) -> Outcome<i32> {
        match self.module.take() {
            Some(id) => Ok(id),
            None => Err(Failure::new("the module is not loaded".to_owned())),
        }
    }

    /// Sets a kernel tunable for the next load. It is unset after the case. Earlier processes
    /// cannot be used afterwards, because the host may have booted again.
    #[track_caller]
    pub fn set_tunable(&mut self, name: &str, value: &str) -> Outcome {
        must("before a tunable is set", self.host.health())?;
        must(
            "setting a tunable",
            self.host.set_tunable(name, Some(value)),
        )?;
        self.admin = self.process()?;
        if !self.tunables.iter().any(|known| known == name) {
            self.tunables.push(name.to_owned());
        }
        Ok(())
    }

    /// revoke(2) of the device by another process, which must succeed.
    #[track_caller]
    pub fn revoke(&mut self) -> Outcome {
        self.admin.revoke()
    }

    /// The memory in use of the module's malloc type.
    #[track_caller]
    pub fn memory(&mut self) -> Outcome<MemoryStats> {
        must("counting the module's memory", self.host.memory())
    }

    /// The live allocations of the module's malloc type.
    #[track_caller]
    pub fn blocks(&mut self) -> Outcome<Vec<Block>> {
        must("reading the module's memory", self.host.blocks())
    }

    /// Stores a word in one of them.
    #[track_caller]
    pub fn poke(&mut self, address: u64, word: u32) -> Outcome {
        must(
            "changing the module's memory",
            self.host.poke(address, word),
        )
    }

    /// Makes or removes another device of the name.
    #[track_caller]
    pub fn squat(&mut self, present: bool) -> Outcome {
        must("taking the device's name", self.host.squat(present))
    }

    /// Ends the page faults on [`Reach::Hung`](crate::sys::Reach) memory.
    #[track_caller]
    pub fn release_faults(&mut self) -> Outcome {
        must("ending the page faults", self.host.release_faults())
    }

    /// The device node's owner and mode.
    #[track_caller]
    pub fn node(&mut self) -> Outcome<Node> {
        must("the device node", self.host.node())
    }
}
