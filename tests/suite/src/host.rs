//! What the suite asks of the place it runs in.

use crate::call::{Call, Reply};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Something that not every host can do; a case that needs it is skipped where it is missing.
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
    /// Something else can take the name `/dev/echo`.
    Squat,
    /// The device node's owner and mode can be read.
    Node,
    /// kqueue(2)
    Kqueue,
    /// revoke(2)
    Revoke,
    /// Signals interrupt a blocked call.
    Signals,
    /// A call that a signal has interrupted is restarted where the handler says so.
    Restart,
    /// The driver itself meets user memory that is out of reach.
    Faults,
    /// pread(2) and pwrite(2) reach the device.
    Positioned,
    /// F_SETFL with O_ASYNC, and every FIO* request, reach the device.
    RawIoctl,
    /// Every bit that poll(2) is asked for reaches the kernel.
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

/// Why a host could not do what it was asked. Never a system call's own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing came within the bound of a wait; says what was waited for.
    Hung(String),
    /// The process is gone.
    Died,
    /// The kernel stopped; its report.
    Panic(String),
    /// Anything else, for people.
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

/// What a host returns.
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

/// A process with one thread, which makes the calls that it is sent, one at a time. Dropping it
/// ends the process, as SIGKILL does, and returns when it is gone.
pub trait Proc {
    /// Its process id.
    fn pid(&self) -> Pid;
    /// Sends a call and does not wait for it.
    fn start(&mut self, call: &Call) -> Result<()>;
    /// Waits for the call that was started; a bound makes a call that never ends a
    /// [`Trouble::Hung`].
    fn wait(&mut self) -> Result<Reply>;
    /// fork(2): a process with the same descriptors.
    fn fork(&mut self) -> Result<Box<dyn Proc>>;
    /// kill(2), from outside. Returns when the signal was delivered, so that a sleep is over that
    /// it ends.
    fn kill(&mut self, signal: i32) -> Result<()>;
    /// Ends the process while it makes no call, and returns when it is gone.
    fn exit(&mut self) -> Result<()>;
}

/// What is held of the module's malloc type.
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
    /// Its address, which tells it from the others.
    pub address: u64,
    /// What is in it.
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

/// A place where the device can be had. The methods from [`Host::set_tunable`] on are called only
/// where [`Host::lacks`] says that the host has what they need.
pub trait Host {
    /// The reason why this host cannot do `need`; `None` when it can.
    fn lacks(&self, need: Need) -> Option<String>;
    /// A new process that runs as root.
    fn process(&mut self) -> Result<Box<dyn Proc>>;
    /// Waits until the process sleeps in the wait channel; the bound makes a process that never
    /// does a [`Trouble::Hung`].
    fn wait_asleep(&mut self, pid: Pid, wmesg: Wmesg) -> Result<()>;
    /// Whether the kernel, or what stands for it, is still well: the panic or misuse report, or a
    /// complaint on its console that means one, if there is any.
    fn health(&mut self) -> Result<()>;

    /// Sets or unsets a kernel tunable for the next load ([`Need::Tunables`]). The module is not
    /// loaded; a host that has to boot for it may do so, and the processes made before are not used
    /// any more.
    fn set_tunable(&mut self, name: &str, value: Option<&str>) -> Result<()>;
    /// What is held of the module's malloc type, zeros after it was unloaded
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
