//! kldhost as a host of the suite.

use crate::process::KldProc;
use kldhost::{Config, Kernel, KldId, Release};
use std::path::{Path, PathBuf};
use suite::host::{Block, Host, MemoryStats, Need, Node, Pid, Proc, Result, Trouble, Wmesg};

/// The name of the module's malloc type, and of the module.
const MODULE: &str = "echodev";

/// A kernel with the module file to load.
pub struct KldHost {
    kernel: Kernel,
    release: Release,
    tunables: Vec<(String, String)>,
    module: PathBuf,
    squatter: Option<KldId>,
}

impl KldHost {
    /// A freshly booted kernel.
    pub fn boot(module: &Path, release: Release) -> KldHost {
        let tunables = Vec::new();
        let kernel = Kernel::new(Config {
            release,
            ..Config::default()
        });
        KldHost {
            kernel,
            release,
            tunables,
            module: module.to_owned(),
            squatter: None,
        }
    }

    /// The same module under another name. The two can be loaded together, except that both make
    /// the same device.
    fn renamed(&self) -> Result<Vec<u8>> {
        let mut bytes =
            std::fs::read(&self.module).map_err(|error| Trouble::Other(error.to_string()))?;
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

impl Host for KldHost {
    fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::Node => Some("kldhost keeps no owner and mode of a device".to_owned()),
            Need::KqueueReport if self.release < Release::V14_4 => {
                Some("it has no kern.proc.kq".to_owned())
            }
            Need::CopyOnFork if self.release < Release::V15_1 => {
                Some("it has no KQUEUE_CPONFORK".to_owned())
            }
            _ => None,
        }
    }

    fn process(&mut self) -> Result<Box<dyn Proc>> {
        Ok(Box::new(KldProc::new(
            self.kernel.process(),
            self.module.clone(),
        )))
    }

    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()> {
        self.kernel.wait_asleep(pid, wmesg).map_err(Trouble::Hung)
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
        let config = Config {
            release: self.release,
            tunables: self.tunables.clone(),
            ..Config::default()
        };
        self.kernel = Kernel::new(config);
        Ok(())
    }

    fn memory(&mut self) -> Result<MemoryStats> {
        let stats = self.kernel.malloc_stats(MODULE);
        Ok(MemoryStats {
            allocations: stats.allocations as u64,
            bytes: stats.bytes as u64,
        })
    }

    fn blocks(&mut self) -> Result<Vec<Block>> {
        let blocks = self.kernel.malloc_blocks(MODULE);
        let read = blocks.iter().map(|block| {
            let bytes = self.kernel.peek(block.addr, block.size)?;
            Some(Block {
                address: block.addr as u64,
                bytes,
            })
        });
        read.collect::<Option<_>>()
            .ok_or_else(|| Trouble::Other("a block was freed while it was read".to_owned()))
    }

    fn poke(&mut self, address: u64, word: u32) -> Result<()> {
        match self.kernel.poke(address as usize, &word.to_ne_bytes()) {
            true => Ok(()),
            false => Err(Trouble::Other(format!("no module memory at {address:#x}"))),
        }
    }

    fn squat(&mut self, present: bool) -> Result<()> {
        if present {
            let loaded = self.kernel.kldload_bytes("squatter.ko", &self.renamed()?);
            self.squatter = Some(loaded.map_err(|error| Trouble::Other(error.to_string()))?);
        } else if let Some(id) = self.squatter.take() {
            self.kernel
                .kldunload(id)
                .map_err(|error| Trouble::Other(error.to_string()))?;
        }
        Ok(())
    }

    fn node(&mut self) -> Result<Node> {
        Err(Trouble::Other(
            "kldhost keeps no owner and mode of a device".to_owned(),
        ))
    }

    fn release_faults(&mut self) -> Result<()> {
        self.kernel.release_faults();
        Ok(())
    }
}
