//! Hosts a FreeBSD kernel module (`.ko`, amd64) in an ordinary process: loads the file, gives it
//! the kernel functions that it asks for, and offers its character devices through the system calls
//! of FreeBSD.
//!
//! A [`Kernel`] is a value; several may live in one process. It has [`Process`]es, whose methods
//! are the system calls. The calling thread runs the call, module code included, as a thread of
//! that process:
//!
//! ```no_run
//! use kldhost::{Config, Kernel, O_RDWR};
//!
//! let kernel = Kernel::new(Config::default());
//! let id = kernel.kldload("target/kmod/15/echodev.ko".as_ref())?;
//! let process = kernel.process();
//! let fd = process.open("/dev/echo", O_RDWR)?;
//! process.write(fd, b"hello")?;
//! let mut buf = [0; 16];
//! assert_eq!(process.read(fd, &mut buf)?, 5);
//! process.close(fd)?;
//! kernel.kldunload(id)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The kernel is a debug kernel. When a module breaks a rule, or faults, the kernel panics: the
//! thread leaves the module for good, the call returns [`Errno::PANICKED`], as does every other
//! call from then on, and [`Kernel::panic_report`] tells what happened.

pub mod fault;
pub mod fuse;
pub mod image;
pub mod inspect;
mod kernel;
mod kpi;
pub mod sync;
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
