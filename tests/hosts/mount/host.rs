//! The mount as a host of the suite.

use crate::process::{MountProc, Place};
use kldhost::fuse::Mount;
use kldhost::{Config, Kernel, KldId};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use suite::host::{
    Block, Host, MemoryStats, Need, Node, Pid, Proc, Result, SELECT, Trouble, Wmesg,
};
use tempfile::TempDir;

/// The name of the module's malloc type, and of the module.
const MODULE: &str = "echodev";

/// Far more than a process needs to go to sleep.
const BOUND: Duration = Duration::from_secs(10);

/// A kernel with its devices mounted. The fields are dropped in this order.
pub struct MountHost {
    mount: Mount,
    kernel: Kernel,
    dir: TempDir,
    module: PathBuf,
    tunables: Vec<(String, String)>,
    squatter: Option<KldId>,
}

fn other(error: impl ToString) -> Trouble {
    Trouble::Other(error.to_string())
}

impl MountHost {
    /// A freshly booted kernel.
    pub fn boot(module: &Path) -> Result<MountHost> {
        let dir = tempfile::tempdir().map_err(other)?;
        let kernel = Kernel::new(Config::default());
        let mount = Mount::new(&kernel, dir.path()).map_err(other)?;
        Ok(MountHost {
            mount,
            kernel,
            dir,
            module: module.to_owned(),
            tunables: Vec::new(),
            squatter: None,
        })
    }

    fn device(&self) -> PathBuf {
        self.dir.path().join("echo")
    }

    /// Waits until the device has been closed, because close(2) on the mount returns earlier. A
    /// later request through the mount is answered after that.
    fn settle(&self) -> Result<()> {
        fs::metadata(self.dir.path()).map(drop).map_err(other)
    }

    /// The same module under another name. The two can be loaded together, except that both make
    /// the same device.
    fn renamed(&self) -> Result<Vec<u8>> {
        let mut bytes = fs::read(&self.module).map_err(other)?;
        let mut at = 0;
        while let Some(found) = bytes[at..]
            .windows(MODULE.len())
            .position(|window| window == MODULE.as_bytes())
        {
            at += found;
            bytes[at..at + MODULE.len()].copy_from_slice(b"squatte");
        }
        Ok(bytes)
    }
}

/// Whether the process sleeps in poll(2) or select(2). In Linux, it has then polled all of its
/// files.
fn sleeps_in_poll(pid: Pid) -> bool {
    let wchan = fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    ["poll", "select"].iter().any(|part| wchan.contains(part))
}

impl Host for MountHost {
    fn lacks(&self, need: Need) -> Option<String> {
        let why = match need {
            Need::Kqueue | Need::KqueueReport | Need::CoreDump | Need::CopyOnFork => {
                "Linux has no kqueue(2)"
            }
            Need::RawPoll => "Linux has its own encoding of events",
            Need::HungMemory => "Linux reads user memory before it calls the device",
            Need::Restart => "a FUSE driver can end an interrupted call only with EINTR",
            Need::Faults => "Linux accesses user memory before it calls the device",
            Need::Positioned => "in Linux, a file that is a stream has no positions",
            Need::RawIoctl => {
                "Linux answers FIONBIO and FIOASYNC itself, and has its own encoding of requests"
            }
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn process(&mut self) -> Result<Box<dyn Proc>> {
        let place = Place {
            kernel: self.kernel.clone(),
            module: self.module.clone(),
            device: self.device(),
        };
        Ok(Box::new(MountProc::start(&place)?))
    }

    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()> {
        if wmesg != SELECT {
            return self.mount.wait_asleep(pid, wmesg).map_err(Trouble::Hung);
        }
        // Linux has no event for it.
        let deadline = Instant::now() + BOUND;
        while !sleeps_in_poll(pid) {
            if Instant::now() > deadline {
                return Err(Trouble::Hung(format!(
                    "not asleep in poll(2) or select(2) after {BOUND:?}"
                )));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn health(&mut self) -> Result<()> {
        if let Err(report) = self.kernel.check_memory() {
            return Err(Trouble::Panic(report.to_string()));
        }
        if let Some(report) = self.kernel.panic_report() {
            return Err(Trouble::Panic(report.to_string()));
        }
        match self.kernel.leaks().as_slice() {
            [] => Ok(()),
            leaks => Err(Trouble::Other(format!(
                "memory left when its type was destroyed: {leaks:?}"
            ))),
        }
    }

    /// Boots another kernel, because tunables are read at boot.
    fn set_tunable(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        self.tunables.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.tunables.push((name.to_owned(), value.to_owned()));
        }
        self.mount.unmount();
        self.kernel = Kernel::new(Config {
            tunables: self.tunables.clone(),
            ..Config::default()
        });
        self.mount = Mount::new(&self.kernel, self.dir.path()).map_err(other)?;
        Ok(())
    }

    fn memory(&mut self) -> Result<MemoryStats> {
        self.settle()?;
        let stats = self.kernel.malloc_stats(MODULE);
        Ok(MemoryStats {
            allocations: stats.allocations as u64,
            bytes: stats.bytes as u64,
        })
    }

    fn blocks(&mut self) -> Result<Vec<Block>> {
        self.settle()?;
        let blocks = self.kernel.malloc_blocks(MODULE);
        let read = blocks.iter().map(|block| {
            let bytes = self.kernel.peek(block.addr, block.size)?;
            Some(Block {
                address: block.addr as u64,
                bytes,
            })
        });
        read.collect::<Option<_>>()
            .ok_or_else(|| other("a block was freed while it was read"))
    }

    fn poke(&mut self, address: u64, word: u32) -> Result<()> {
        self.settle()?;
        match self.kernel.poke(address as usize, &word.to_ne_bytes()) {
            true => Ok(()),
            false => Err(Trouble::Other(format!("no module memory at {address:#x}"))),
        }
    }

    fn squat(&mut self, present: bool) -> Result<()> {
        if present {
            self.squatter = Some(
                self.kernel
                    .kldload_bytes("squatter.ko", &self.renamed()?)
                    .map_err(other)?,
            );
        } else if let Some(id) = self.squatter.take() {
            self.kernel.kldunload(id).map_err(other)?;
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node> {
        let metadata = fs::metadata(self.device()).map_err(other)?;
        Ok(Node {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        })
    }

    fn release_faults(&mut self) -> Result<()> {
        Err(other("no page fault waits here"))
    }
}
