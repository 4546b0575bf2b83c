//! The public interface: booting a kernel, loading modules, and examining their effects.
//!
//! Uses all layers before it. The methods of [`Kernel`] that processes and fronts need are with
//! the system calls; here are those for the users of this crate alone. It has no locks.

use std::path::Path;

use crate::abi::errno::Errno;
use crate::abi::syscall::{KldId, Pid};
use crate::dev::Dev;
use crate::kern::Kern;
use crate::kern::config::Config;
use crate::kern::malloc::{Leak, MallocBlock, MallocStats};
use crate::kern::report::Report;
use crate::kern::thread::{ThreadInfo, ThreadState};
use crate::kpi;
use crate::machine::sync::Duration;
use crate::syscall::{Kernel, KldError};

impl Kernel {
    /// Boots a kernel.
    pub fn new(config: Config) -> Kernel {
        let copy = kpi::function("knote_triv_copy", config.release, config.hook.is_some());
        let kern = Kern::new(config, Box::new(Dev::new(copy)));
        Dev::of(&kern).boot(&kern);
        Kernel::with(kern)
    }

    /// kldload(8) by a new process: loads the module in file `path`, on the calling thread.
    ///
    /// # Errors
    ///
    /// See [`KldError`]. As in FreeBSD, a module whose MOD_LOAD fails gets MOD_UNLOAD, and its
    /// sysuninits are run. The errno is then ENOEXEC. [`KldError::Refused`] has the errno of the
    /// module.
    pub fn kldload(&self, path: &Path) -> Result<KldId, KldError> {
        self.process().kldload(path)
    }

    /// As [`Kernel::kldload`], of a file that has been read.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::kldload`].
    pub fn kldload_bytes(&self, name: &str, bytes: &[u8]) -> Result<KldId, KldError> {
        self.process().kldload_bytes(name, bytes)
    }

    /// kldunload(8) by a new process, on the calling thread. As long as the kernel lives, the
    /// memory of the module stays mapped, but is inaccessible.
    ///
    /// # Errors
    ///
    /// ENOENT: no such id. Anything that the module's MOD_QUIESCE or MOD_UNLOAD returns.
    pub fn kldunload(&self, id: KldId) -> Result<(), Errno> {
        self.process().kldunload(id)
    }

    /// Everything that was printed, by line: printf(9), log(9), and the kernel's own messages.
    pub fn console(&self) -> Vec<String> {
        self.kern.console.lines()
    }

    /// Waits until a thread of process `pid` sleeps on `wmesg`, and its lock is released.
    ///
    /// # Errors
    ///
    /// The state of the threads, if this does not happen within ten seconds, or if the kernel has
    /// panicked.
    pub fn wait_asleep(&self, pid: Pid, wmesg: &str) -> Result<(), String> {
        let asleep = |td: &ThreadInfo| matches!(&td.state, ThreadState::Sleeping { wmesg: at } if at == wmesg);
        let found = self.wait_threads(Duration::from_secs(10), |all| {
            all.iter().any(|td| td.pid == pid && asleep(td))
        });
        found.map_err(|why| format!("process {pid} does not sleep on \"{wmesg}\": {why}"))
    }

    /// Ends each page fault on a hung mapping ([`UserMem::hung`](crate::UserMem::hung)), now and
    /// later.
    pub fn release_faults(&self) {
        self.kern.release_faults();
    }

    /// The memory in use under the malloc(9) type of this name (its short description).
    pub fn malloc_stats(&self, malloc_type: &str) -> MallocStats {
        self.kern.malloc_stats(malloc_type)
    }

    /// The blocks in use under this malloc(9) type, by time of allocation.
    pub fn malloc_blocks(&self, malloc_type: &str) -> Vec<MallocBlock> {
        self.kern.malloc_blocks(malloc_type)
    }

    /// Reads module memory: bytes of one malloc(9) block. `None` if they are not all within one
    /// block in use.
    pub fn peek(&self, addr: usize, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        // SAFETY: all `len` bytes at `from` are in a block in use.
        let copy = |from: *mut u8| unsafe { from.copy_to(bytes.as_mut_ptr(), len) };
        self.kern.with_memory(addr, len, copy)?;
        Some(bytes)
    }

    /// Changes module memory: bytes of one malloc(9) block. False, and nothing is done, if they are
    /// not all within one block in use. The module should not be running.
    pub fn poke(&self, addr: usize, bytes: &[u8]) -> bool {
        // SAFETY: all bytes at `to` are in a block in use.
        let copy = |to: *mut u8| unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
        self.kern.with_memory(addr, bytes.len(), copy).is_some()
    }

    /// Memory that was left when malloc(9) types were destroyed, oldest first.
    pub fn leaks(&self) -> Vec<Leak> {
        self.kern.leaks()
    }

    /// Checks for damage now that would otherwise be found when the memory is freed, or at unload:
    /// overrun blocks, and writes to freed ones.
    ///
    /// # Errors
    ///
    /// The report: the kernel panics if there is any.
    pub fn check_memory(&self) -> Result<(), Box<Report>> {
        self.process().check_memory()
    }
}
