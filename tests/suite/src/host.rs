//! The interface between the suite and a host.

use crate::call::{Call, Reply};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A feature that not every host has. Without it, a case that needs it is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The suite may load and unload the module.
    Unload,
    /// Kernel tunables can be set before a load.
    Tunables,
    /// The memory of the module's malloc type can be counted.
    MemoryStats,
    /// That memory can be read and changed.
    Poke,
    /// Another driver can take the name `/dev/echo`.
    Squat,
    /// The device node's owner and mode can be read.
    Node,
    /// kqueue(2)
    Kqueue,
    /// revoke(2)
    Revoke,
    /// Signals interrupt a blocked call.
    Signals,
    /// A call that a signal has interrupted is restarted if the handler has `SA_RESTART`.
    Restart,
    /// The driver itself accesses user memory that is out of reach.
    Faults,
    /// pread(2) and pwrite(2) reach the device.
    Positioned,
    /// F_SETFL with O_ASYNC, and every FIO* request, reach the device.
    RawIoctl,
    /// Every requested bit of poll(2) reaches the kernel.
    RawPoll,
    /// The kqueues of a process can be reported (`kern.proc.kq`).
    KqueueReport,
    /// A process dumps core when a signal such as SIGQUIT ends it.
    CoreDump,
    /// A kqueue can be copied at fork(2) (`KQUEUE_CPONFORK`).
    CopyOnFork,
    /// User memory exists whose page fault does not end until [`Host::release_faults`]
    /// ([`Reach::Hung`](crate::sys::Reach)).
    HungMemory,
}

/// Why a host has failed. It is never the error of a system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A wait has reached its bound. The text describes the wait.
    Hung(String),
    /// The process is gone.
    Died,
    /// The kernel stopped with this report.
    Panic(String),
    /// Anything else, as a message.
    Other(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Hung(what) => write!(f, "hung: {what}"),
            Trouble::Died => f.write_str("the process is gone"),
            Trouble::Panic(report) => write!(f, "the kernel stopped: {report}"),
            Trouble::Other(what) => f.write_str(what),
        }
    }
}

/// The result of a host.
pub type Result<T> = core::result::Result<T, Trouble>;

/// A process id.
pub type Pid = i32;

/// A wait channel's name, as ps(1) shows it.
pub type Wmesg = &'static str;

/// A read that waits for data.
pub const ECHORD: Wmesg = "echord";
/// A write that waits for room.
pub const ECHOWR: Wmesg = "echowr";
/// poll(2) and select(2).
pub const SELECT: Wmesg = "select";
/// kevent(2).
pub const KQREAD: Wmesg = "kqread";
/// A page fault that does not end ([`Reach::Hung`](crate::sys::Reach)).
pub const HUNGPG: Wmesg = "hungpg";
/// The device's sx(9) lock, which another thread holds.
pub const ECHO_LOCK: Wmesg = "echo";

/// A process with one thread, which makes the calls that it receives, one at a time. Dropping it
/// ends the process as SIGKILL does, and returns when it is gone.
pub trait Proc {
    /// Its process id.
    fn pid(&self) -> Pid;
    /// Sends a call, and does not wait for it.
    fn start(&mut self, call: &Call) -> Result<()>;
    /// Waits for the call that was started. If it does not return within a bound, the result is
    /// [`Trouble::Hung`].
    fn wait(&mut self) -> Result<Reply>;
    /// fork(2). Returns a process with the same descriptors.
    fn fork(&mut self) -> Result<Box<dyn Proc>>;
    /// kill(2) by another process. Returns when the signal was delivered, and has ended the sleep
    /// that it ends.
    fn kill(&mut self, signal: i32) -> Result<()>;
    /// Ends the process while it makes no call, and returns when it is gone.
    fn exit(&mut self) -> Result<()>;
}

/// The memory in use of the module's malloc type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Live allocations.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One live allocation of the module's malloc type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its address, which identifies it.
    pub address: u64,
    /// Its contents.
    pub bytes: Vec<u8>,
}

/// `stat(2)` of the device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// A host of the device. The methods from [`Host::set_tunable`] on are called only if
/// [`Host::lacks`] reports that the host has the features that they need.
pub trait Host {
    /// The reason why this host does not have `need`, or `None` if it has.
    fn lacks(&self, need: Need) -> Option<String>;
    /// A new process that runs as root.
    fn process(&mut self) -> Result<Box<dyn Proc>>;
    /// Waits until the process sleeps on the wait channel. If that does not happen within a bound,
    /// the result is [`Trouble::Hung`].
    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()>;
    /// Fails if the kernel, or its replacement, has panicked, has reported a misuse, or has
    /// complained on its console.
    fn health(&mut self) -> Result<()>;

    /// Sets or unsets a kernel tunable for the next load ([`Need::Tunables`]). The module is not
    /// loaded. The host may have to boot again, so earlier processes are not used afterwards.
    fn set_tunable(&mut self, name: &str, value: Option<&str>) -> Result<()>;
    /// The memory in use of the module's malloc type. All counts are zero after it was unloaded
    /// ([`Need::MemoryStats`]).
    fn memory(&mut self) -> Result<MemoryStats>;
    /// Every live allocation of the module's malloc type ([`Need::Poke`]).
    fn blocks(&mut self) -> Result<Vec<Block>>;
    /// Stores a 32-bit word in one of them ([`Need::Poke`]).
    fn poke(&mut self, address: u64, word: u32) -> Result<()>;
    /// Makes, or removes, another device of the name `echo` ([`Need::Squat`]).
    fn squat(&mut self, present: bool) -> Result<()>;
    /// The device node's owner and mode ([`Need::Node`]).
    fn node(&mut self) -> Result<Node>;
    /// Ends every page fault on [`Reach::Hung`](crate::sys::Reach) memory, now and later
    /// ([`Need::HungMemory`]).
    fn release_faults(&mut self) -> Result<()>;
}
