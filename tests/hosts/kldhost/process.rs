//! A process of the suite: a kldhost process, and a thread that makes its calls.

use crate::sys::KldSys;
use kldhost::{Process, Signal, ThreadInfo, ThreadState};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;
use suite::agent::perform;
use suite::call::{Call, Reply, decode, encode};
use suite::host::{HUNGPG, Pid, Proc, Result, Trouble};

/// Far more than any call takes. A call that takes longer hangs.
const BOUND: Duration = Duration::from_secs(60);

/// See [`Proc`]. Calls and replies are passed as bytes, as between real processes.
pub struct KldProc {
    process: Process,
    module: PathBuf,
    /// `None` only while it is dropped.
    calls: Option<Sender<Vec<u8>>>,
    replies: Receiver<Vec<u8>>,
}

impl KldProc {
    /// Starts the thread.
    pub fn new(process: Process, module: PathBuf) -> KldProc {
        let (calls, to_make) = channel::<Vec<u8>>();
        let (made, replies) = channel();
        let mut sys = KldSys::new(process.clone(), module.clone());
        std::thread::spawn(move || {
            for bytes in to_make {
                let call = decode(&bytes).expect("a call was sent");
                if made.send(encode(&perform(&mut sys, call))).is_err() {
                    break;
                }
            }
        });
        KldProc {
            process,
            module,
            calls: Some(calls),
            replies,
        }
    }

    /// Fails if the kernel has panicked or the process is gone.
    fn check(&self) -> Result<()> {
        if let Some(report) = self.process.kernel().panic_report() {
            return Err(Trouble::Panic(report.to_string()));
        }
        match self.process.exit_status() {
            None => Ok(()),
            Some(_) => Err(Trouble::Died),
        }
    }
}

impl Proc for KldProc {
    fn pid(&self) -> Pid {
        self.process.pid()
    }

    fn start(&mut self, call: &Call) -> Result<()> {
        let calls = self.calls.as_ref().ok_or(Trouble::Died)?;
        calls.send(encode(call)).map_err(|_| Trouble::Died)
    }

    fn wait(&mut self) -> Result<Reply> {
        let received = self.replies.recv_timeout(BOUND);
        self.check()?;
        match received {
            Ok(bytes) => decode(&bytes)
                .ok_or_else(|| Trouble::Other("the reply cannot be decoded".to_owned())),
            Err(RecvTimeoutError::Disconnected) => Err(Trouble::Died),
            Err(RecvTimeoutError::Timeout) => {
                let threads = self.process.kernel().threads();
                Err(Trouble::Hung(format!(
                    "no answer in {BOUND:?}; threads in the kernel: {threads:?}"
                )))
            }
        }
    }

    fn fork(&mut self) -> Result<Box<dyn Proc>> {
        let child = self
            .process
            .fork()
            .map_err(|error| Trouble::Other(format!("fork: {error}")))?;
        Ok(Box::new(KldProc::new(child, self.module.clone())))
    }

    fn kill(&mut self, signal: i32) -> Result<()> {
        self.process.kill(Signal(signal));
        Ok(())
    }

    fn exit(&mut self) -> Result<()> {
        self.process.exit();
        Ok(())
    }
}

impl Drop for KldProc {
    fn drop(&mut self) {
        self.process.kill(Signal::KILL);
        self.calls = None;
        let hangs = |td: &ThreadInfo| {
            td.pid == self.process.pid()
                && matches!(&td.state, ThreadState::Sleeping { wmesg } if wmesg == HUNGPG)
        };
        if self.process.kernel().threads().iter().any(hangs) {
            // Nothing else ends it.
            self.process.kernel().release_faults();
        }
        // The thread and its process end after the current call. A call that never ends is
        // abandoned.
        while self.replies.recv_timeout(BOUND).is_ok() {}
    }
}
