//! The kernel under test, as the suite uses it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::CStr;

use conformance::errno::Errno;
use conformance::host::{Block, Host, MemoryStats, Need, Node, Pid, Proc, Result, Trouble, Wmesg};

use crate::agent::DEVICE;
use crate::freebsd::{files, kernel, kinfo, processes, time};
use crate::proc::{Process, deadline};

/// Lines of the console that mean that something is wrong, each one a part of such a line.
const COMPLAINTS: &str = include_str!("../../complaints.txt");

/// The malloc(9) type of the module.
const MALLOC_TYPE: &str = "echodev";

/// Files of modules.
pub struct Modules<'m> {
    /// The module under test.
    pub tested: &'m CStr,
    /// One that makes another `/dev/echo`.
    pub squatter: &'m CStr,
}

/// This machine.
pub struct Machine<'m> {
    modules: Modules<'m>,
    messages: kinfo::Messages,
    squatter: Option<i32>,
}

impl<'m> Machine<'m> {
    /// This machine, for these modules.
    pub fn new(modules: Modules<'m>) -> Self {
        Self { modules, messages: kinfo::Messages::default(), squatter: None }
    }

    /// Lets the kernel's messages so far be; what this program says about a failure is among them.
    pub fn forget_messages(&mut self) {
        // A kernel that cannot tell its messages says so when it is asked how it is.
        let _ = self.messages.since();
    }
}

fn failed(what: &str) -> impl FnOnce(Errno) -> Trouble + '_ {
    move |error| Trouble::Other(format!("{what}: {error}"))
}

impl Host for Machine<'_> {
    fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::KqueueReport | Need::CoreDump | Need::CopyOnFork | Need::HungMemory => {
                Some("the guest does not do that yet".to_string())
            }
            Need::Poke => Some("a kernel does not list the memory of a type".to_string()),
            Need::Squat if files::stat(self.modules.squatter).is_err() => {
                Some("no module that makes such a device".to_string())
            }
            _ => None,
        }
    }

    fn process(&mut self) -> Result<Box<dyn Proc>> {
        Ok(Box::new(Process::new(self.modules.tested)?))
    }

    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()> {
        // The kernel tells nobody that a process falls asleep, so this one asks again and again.
        let deadline = deadline();
        loop {
            let state = kinfo::wmesg(pid).map_err(failed("kern.proc.pid"))?;
            if state.as_deref() == Some(wmesg) {
                return Ok(());
            }
            if time::now() > deadline {
                return Err(Trouble::Hung(format!("process {pid} does not sleep in {wmesg}; it sleeps in {state:?}")));
            }
            time::give_way();
        }
    }

    fn health(&mut self) -> Result<()> {
        processes::reap();
        let messages = self.messages.since().map_err(failed("kern.msgbuf"))?;
        match COMPLAINTS.lines().find(|complaint| messages.contains(complaint)) {
            Some(complaint) => Err(Trouble::Panic(format!("the kernel said \"{complaint}\":\n{messages}"))),
            None => Ok(()),
        }
    }

    fn set_tunable(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        kernel::set_kenv(name, value).map_err(failed(name))
    }

    fn memory(&mut self) -> Result<MemoryStats> {
        kinfo::malloc_stats(MALLOC_TYPE).map_err(failed("kern.malloc_stats"))
    }

    fn blocks(&mut self) -> Result<Vec<Block>> {
        Err(Trouble::Other("a kernel does not list the memory of a type".to_string()))
    }

    fn poke(&mut self, _address: u64, _word: u32) -> Result<()> {
        Err(Trouble::Other("this host does not change kernel memory".to_string()))
    }

    fn squat(&mut self, present: bool) -> Result<()> {
        match (present, self.squatter.take()) {
            (true, None) => {
                let loaded = kernel::kldload(self.modules.squatter);
                self.squatter = Some(loaded.map_err(failed("kldload of the module in the way"))?);
            }
            (false, Some(id)) => kernel::kldunload(id).map_err(failed("kldunload of the module in the way"))?,
            (_, squatter) => self.squatter = squatter,
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node> {
        let stat = files::stat(DEVICE).map_err(failed("stat of /dev/echo"))?;
        Ok(Node { uid: stat.uid, gid: stat.gid, mode: u32::from(stat.mode & 0o7777) })
    }

    fn release_faults(&mut self) -> Result<()> {
        Err(Trouble::Other("no page fault waits here".to_string()))
    }
}
