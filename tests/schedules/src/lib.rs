//! kldhost, on an engine of its own: its threads are coroutines, which of them runs next is decided
//! at every [`sync::switch`], and so at every KPI call that a module makes, by a scheduler of
//! shuttle's, and its clock stands still while anything can run.
//!
//! The source is that of kldhost, but for the module [`sync`], through which everything there goes
//! that blocks. A package of its own, because cargo builds a package once for all who use it, and
//! everybody else wants kldhost with the operating system's threads.
//!
//! [`explore::explore`] runs a function on many schedules.

pub mod explore;
#[path = "../../../kldhost/src/fault/mod.rs"]
pub mod fault;
#[path = "../../../kldhost/src/image/mod.rs"]
pub mod image;
#[path = "../../../kldhost/src/inspect/mod.rs"]
pub mod inspect;
#[path = "../../../kldhost/src/kernel/mod.rs"]
mod kernel;
#[path = "../../../kldhost/src/kpi/mod.rs"]
mod kpi;
pub mod sync;
#[path = "../../../kldhost/src/syscall/mod.rs"]
mod syscall;

pub use kernel::{
    Config, ConsoleSink, DeviceNode, Interrupt, Kernel, KldError, KldId, KnoteInfo, KpiCall,
    KpiHook, Leak, MallocBlock, MallocStats, NoSuchRelease, Pid, Release, Report, ThreadInfo,
    ThreadState, Tid,
};
pub use syscall::abi::*;
pub use syscall::errno::Errno;
pub use syscall::usermem::{UserIn, UserMem, UserOut};
pub use syscall::{Call, ExitStatus, IoctlArg, PollWatch, Process, SigAction, Signal};
