//! Offers the devices of a hosted kernel to every program on the machine, as files in a mounted
//! directory.
//!
//! Linux's FUSE driver turns the system calls of those programs into requests. Each request becomes
//! a system call of the hosted kernel. The protocol is implemented here, on the structures of crate
//! `polyfuse-kernel`. No library does everything that is needed: polyfuse has neither ioctl nor the
//! flag `FOPEN_STREAM`, fuse3 has no ioctl, and fuser and fuse-backend-rs do not forward
//! interrupts.

mod answer;
mod channel;
mod errno;
mod file;
mod ioctl;
mod lead;
mod mount;
mod mountinfo;
mod names;
mod poll;
mod session;

use std::path::{Path, PathBuf};

use crate::kern::thread::ThreadState;
use crate::machine::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::machine::sync::{Arc, Duration};
use crate::syscall::Kernel;

pub use errno::to_linux as linux_errno;
pub use ioctl::ioctl;
pub use mount::MountError;
pub use session::End;

use channel::Channel;
use session::Session;

/// The devices of a kernel, mounted. Dropping it unmounts.
pub struct Mount {
    session: Arc<Session>,
    dir: PathBuf,
    mounted: AtomicBool,
}

/// A program's thread that sleeps in a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sleeper {
    /// Its number in Linux.
    pub pid: i32,
    /// Where it sleeps, such as `echord`.
    pub wmesg: String,
}

impl Mount {
    /// Mounts the devices of `kernel` on directory `dir`, which must be empty. A mount there that
    /// an earlier run has left, because it was killed, is removed before.
    ///
    /// # Errors
    ///
    /// See [`MountError`].
    pub fn new(kernel: &Kernel, dir: &Path) -> Result<Mount, MountError> {
        let dir = mount::prepare(dir)?;
        let device = mount::attach(&dir)?;
        let session = Session::start(kernel, Channel::new(device));
        Ok(Mount {
            session,
            dir,
            mounted: AtomicBool::new(true),
        })
    }

    /// The directory, without symbolic links in its path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The programs that sleep in the devices' methods. Those in poll(2) do not: they sleep in
    /// Linux.
    pub fn sleepers(&self) -> Vec<Sleeper> {
        let threads = self.session.kernel.threads();
        let requests = self.session.requests();
        let asleep = requests.into_iter().filter_map(|request| {
            match &threads
                .iter()
                .find(|thread| thread.tid == request.tid)?
                .state
            {
                ThreadState::Sleeping { wmesg } => Some(Sleeper {
                    pid: request.pid,
                    wmesg: wmesg.clone(),
                }),
                ThreadState::Running => None,
            }
        });
        asleep.collect()
    }

    /// Waits until thread `pid` of a program sleeps in a device's method, on `wmesg`.
    ///
    /// # Errors
    ///
    /// The state of the threads of the hosted kernel, after ten seconds or if it has panicked.
    pub fn wait_asleep(&self, pid: i32, wmesg: &str) -> Result<(), String> {
        let is_it = |sleeper: &Sleeper| sleeper.pid == pid && sleeper.wmesg == wmesg;
        self.session
            .kernel
            .wait_threads(Duration::from_secs(10), |_| {
                self.sleepers().iter().any(is_it)
            })
    }

    /// Waits until it is unmounted, by any program, or the hosted kernel has panicked.
    pub fn wait_end(&self) -> End {
        self.session.wait_end()
    }

    /// Waits until no program waits for an answer. This is so soon after the module was unloaded.
    pub fn wait_idle(&self) {
        const LIMIT: Duration = Duration::from_secs(2);
        self.session.wait_idle(LIMIT);
    }

    /// Unmounts. Programs that still have files open get errors from then on.
    pub fn unmount(&self) {
        if self.mounted.swap(false, SeqCst) && self.session.end() != Some(End::Unmounted) {
            mount::detach(&self.dir);
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.unmount();
    }
}
