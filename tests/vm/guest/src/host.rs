//! The kernel under test, as the suite uses it.

use crate::agent::DEVICE;
use crate::freebsd::{files, kernel, kinfo, processes, sysctl, time, wait};
use crate::hungmap;
use crate::modules;
use crate::proc::{Process, deadline};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use suite::errno::Errno;
use suite::host::{Block, Host, MemoryStats, Need, Node, Pid, Proc, Result, Trouble, Wmesg};

/// Parts of console lines that mean that something is wrong.
const COMPLAINTS: &str = include_str!("../../complaints.txt");

/// The malloc(9) type of the module.
const MALLOC_TYPE: &str = "echodev";

/// The reason why a feature is missing, such as core files.
pub type Lack = core::result::Result<(), String>;

/// This machine.
pub struct Machine {
    messages: kinfo::Messages,
    squatter: Option<i32>,
    cores: Lack,
    /// The loaded module whose memory hangs.
    hungmap: core::result::Result<i32, String>,
}

impl Machine {
    /// This machine. `cores` is an error if processes cannot dump core.
    pub fn new(cores: Lack) -> Self {
        let hungmap = match files::stat(modules::HUNGMAP) {
            Ok(_) => kernel::kldload(modules::HUNGMAP)
                .map_err(|error| format!("kldload of hungmap: {error}")),
            Err(_) => Err("no module with such memory".to_string()),
        };
        Self {
            messages: kinfo::Messages::default(),
            squatter: None,
            cores,
            hungmap,
        }
    }

    /// Prepares a case. Memory that hangs does so again. Earlier messages of the kernel are
    /// skipped, because they include this program's own reports.
    pub fn prepare(&mut self) -> Result<()> {
        if self.hungmap.is_ok() {
            hungmap::arm().map_err(failed("/dev/hungmap"))?;
        }
        // If the kernel does not return its messages, the next check of its health fails.
        let _ = self.messages.since();
        Ok(())
    }

    /// Cleans up after the last case, so that nothing of this program remains in the kernel.
    pub fn end(self) -> Result<()> {
        match self.hungmap {
            Ok(id) => kernel::kldunload(id).map_err(failed("kldunload of hungmap")),
            Err(_) => Ok(()),
        }
    }
}

/// Whether the kernel copies kqueues at fork(2).
fn copies_kqueues() -> Lack {
    let kq = wait::kqueue_cponfork()
        .map_err(|error| format!("kqueuex with KQUEUE_CPONFORK: {error}"))?;
    files::close(kq).map_err(|error| format!("close: {error}"))
}

fn failed(what: &str) -> impl FnOnce(Errno) -> Trouble + '_ {
    move |error| Trouble::Other(format!("{what}: {error}"))
}

impl Host for Machine {
    fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::KqueueReport if !sysctl::exists(kinfo::KQUEUES) => {
                Some(format!("the kernel has no {}", kinfo::KQUEUES))
            }
            Need::CoreDump => self.cores.clone().err(),
            Need::CopyOnFork => copies_kqueues().err(),
            Need::HungMemory => self.hungmap.clone().err(),
            Need::Poke => Some("a kernel does not list the memory of a type".to_string()),
            Need::Squat if files::stat(modules::OTHER).is_err() => {
                Some("no module that makes such a device".to_string())
            }
            _ => None,
        }
    }

    fn process(&mut self) -> Result<Box<dyn Proc>> {
        Ok(Box::new(Process::new()?))
    }

    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()> {
        // The kernel has no event for a process that falls asleep, so this polls.
        let deadline = deadline();
        loop {
            let state = kinfo::wmesg(pid).map_err(failed("kern.proc.pid"))?;
            if state.as_deref() == Some(wmesg) {
                return Ok(());
            }
            if time::now() > deadline {
                return Err(Trouble::Hung(format!(
                    "process {pid} does not sleep on {wmesg}; its state is {state:?}"
                )));
            }
            time::give_way();
        }
    }

    fn health(&mut self) -> Result<()> {
        processes::reap();
        let messages = self.messages.since().map_err(failed("kern.msgbuf"))?;
        match COMPLAINTS
            .lines()
            .find(|complaint| messages.contains(complaint))
        {
            Some(complaint) => Err(Trouble::Panic(format!(
                "the kernel printed \"{complaint}\":\n{messages}"
            ))),
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
        Err(Trouble::Other(
            "a kernel does not list the memory of a type".to_string(),
        ))
    }

    fn poke(&mut self, _address: u64, _word: u32) -> Result<()> {
        Err(Trouble::Other(
            "this host does not change kernel memory".to_string(),
        ))
    }

    fn squat(&mut self, present: bool) -> Result<()> {
        match (present, self.squatter.take()) {
            (true, None) => {
                let loaded = kernel::kldload(modules::OTHER);
                self.squatter = Some(loaded.map_err(failed("kldload of the module in the way"))?);
            }
            (false, Some(id)) => {
                kernel::kldunload(id).map_err(failed("kldunload of the module in the way"))?
            }
            (_, squatter) => self.squatter = squatter,
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node> {
        let stat = files::stat(DEVICE).map_err(failed("stat of /dev/echo"))?;
        Ok(Node {
            uid: stat.uid,
            gid: stat.gid,
            mode: u32::from(stat.mode & 0o7777),
        })
    }

    fn release_faults(&mut self) -> Result<()> {
        hungmap::release().map_err(failed("/dev/hungmap"))
    }
}
