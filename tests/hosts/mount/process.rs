//! A process of the suite, a child of this one. Load, unload and revoke are made here, because
//! Linux has no such calls, or the hosted kernel is not the child's.

use crate::agent;
use crate::wire::{Answer, Order, receive, receive_fds, send, send_fds};
use kldhost::Kernel;
use nix::sys::signal::{Signal, kill};
use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;
use suite::abi::{SIGKILL, SIGUSR1};
use suite::call::{Call, Reply, Value, decode, encode};
use suite::errno::Errno;
use suite::host::{Pid, Proc, Result, Trouble};

/// Far more than any call takes. A call that takes longer hangs.
const BOUND: Duration = Duration::from_secs(60);

/// A child has copies of all open files for a moment when it starts. This process must not have
/// descriptors of the device then. Otherwise a close elsewhere would not be the last one.
static STARTING: Mutex<()> = Mutex::new(());

/// The parts that all processes of a host share.
#[derive(Clone)]
pub struct Place {
    /// The kernel that has the device.
    pub kernel: Kernel,
    /// The module's file.
    pub module: PathBuf,
    /// The device, as a file of the mount.
    pub device: PathBuf,
}

/// See [`Proc`].
pub struct MountProc {
    child: Child,
    socket: UnixStream,
    place: Place,
    /// A call that is made here, and not in the child.
    here: Option<Receiver<Reply>>,
}

fn other(error: impl ToString) -> Trouble {
    Trouble::Other(error.to_string())
}

impl MountProc {
    /// Starts a process.
    pub fn start(place: &Place) -> Result<MountProc> {
        let (socket, theirs) = UnixStream::pair().map_err(other)?;
        socket.set_read_timeout(Some(BOUND)).map_err(other)?;
        let child = std::env::current_exe().and_then(|program| {
            let mut command = Command::new(program);
            command
                .env(agent::DEVICE, &place.device)
                .stdin(Stdio::from(OwnedFd::from(theirs)));
            let _alone = STARTING.lock();
            command.spawn()
        });
        Ok(MountProc {
            child: child.map_err(other)?,
            socket,
            place: place.clone(),
            here: None,
        })
    }

    fn order(&self, order: &Order) -> Result<()> {
        send(&self.socket, &encode(order)).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Trouble::Died,
            _ => other(error),
        })
    }

    fn answer(&mut self) -> Result<Answer> {
        match receive(&self.socket) {
            Ok(bytes) => decode(&bytes).ok_or_else(|| other("the reply cannot be decoded")),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
                ) =>
            {
                self.child.wait().map_err(other)?;
                Err(Trouble::Died)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let threads = self.place.kernel.threads();
                Err(Trouble::Hung(format!(
                    "no answer in {BOUND:?}; threads in the kernel: {threads:?}"
                )))
            }
            Err(error) => Err(other(error)),
        }
    }
}

/// Makes a call that processes on a mount cannot make. Returns `None` if they can.
fn administer(place: &Place, call: &Call) -> Option<Receiver<Reply>> {
    let process = place.kernel.process();
    let errno = |error: kldhost::Errno| Errno(error.0);
    let (call, module) = (call.clone(), place.module.clone());
    if !matches!(call, Call::Kldload | Call::Kldunload { .. } | Call::Revoke) {
        return None;
    }
    let (answer, receiver) = channel();
    std::thread::spawn(move || {
        let reply = match call {
            Call::Kldload => match process.kldload(&module) {
                Ok(id) => Ok(Value::Number(id.into())),
                Err(error) => Err(errno(error.errno())),
            },
            Call::Kldunload { id } => process.kldunload(id).map(|()| Value::Done).map_err(errno),
            _ => process
                .revoke("/dev/echo")
                .map(|()| Value::Done)
                .map_err(errno),
        };
        // It fails only if the receiver is gone.
        let _ = answer.send(reply);
    });
    Some(receiver)
}

impl Proc for MountProc {
    fn pid(&self) -> Pid {
        self.child.id() as Pid
    }

    fn start(&mut self, call: &Call) -> Result<()> {
        self.here = administer(&self.place, call);
        if self.here.is_some() {
            Ok(())
        } else {
            self.order(&Order::Call(call.clone()))
        }
    }

    fn wait(&mut self) -> Result<Reply> {
        if let Some(here) = self.here.take() {
            return here.recv_timeout(BOUND).map_err(|error| match error {
                RecvTimeoutError::Timeout => {
                    let threads = self.place.kernel.threads();
                    Trouble::Hung(format!(
                        "no answer in {BOUND:?}; threads in the kernel: {threads:?}"
                    ))
                }
                RecvTimeoutError::Disconnected => Trouble::Died,
            });
        }
        match self.answer()? {
            Answer::Reply(reply) => Ok(reply),
            _ => Err(other("the process sends an unexpected answer")),
        }
    }

    /// A new process with the open file descriptions of this one, as after fork(2).
    fn fork(&mut self) -> Result<Box<dyn Proc>> {
        let mut child = MountProc::start(&self.place)?;
        self.order(&Order::Share)?;
        let Answer::Shared(numbers) = self.answer()? else {
            return Err(other("no descriptors were shared"));
        };
        {
            let _alone = STARTING.lock();
            let fds = receive_fds(&self.socket).map_err(other)?;
            child.order(&Order::Adopt(numbers))?;
            let borrowed: Vec<_> = fds.iter().map(OwnedFd::as_fd).collect();
            send_fds(&child.socket, &borrowed).map_err(other)?;
        }
        child.answer()?;
        Ok(Box::new(child))
    }

    fn kill(&mut self, signal: i32) -> Result<()> {
        let signal = match signal {
            SIGKILL => Signal::SIGKILL,
            SIGUSR1 => Signal::SIGUSR1,
            other => {
                return Err(Trouble::Other(format!(
                    "signal {other} has no number in Linux here"
                )));
            }
        };
        kill(nix::unistd::Pid::from_raw(self.pid()), signal).map_err(other)
    }

    fn exit(&mut self) -> Result<()> {
        self.socket
            .shutdown(std::net::Shutdown::Both)
            .map_err(other)?;
        self.child.wait().map(drop).map_err(other)
    }
}

impl Drop for MountProc {
    fn drop(&mut self) {
        // Both fail only if the process is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
