//! Hosts a FreeBSD kernel module (`.ko`, amd64) in an ordinary process. It loads the file, provides
//! the kernel functions that it needs, and offers its character devices through the system calls of
//! FreeBSD.
//!
//! A [`Kernel`] is a value, and several may live in one process. It has [`Process`]es, whose
//! methods are the system calls. The calling thread runs the call, module code included, as a
//! thread of that process:
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
//! The kernel is a debug kernel. When a module breaks a rule, or faults, the kernel panics. The
//! thread leaves the module and does not return there. The call returns [`Errno::PANICKED`], as do
//! all later calls. [`Kernel::panic_report`] returns the report.

//!
//! # Layers
//!
//! Each module here is a layer, and uses only the layers before it: `abi`, `image`, `machine`,
//! `kern`, `dev`, `kpi`, `syscall`, `front`, `host`. `tests/layers.rs` checks this.

mod abi;
mod dev;
mod front;
mod host;
pub mod image;
mod kern;
mod kpi;
mod machine;
mod syscall;

pub use abi::errno::Errno;
pub use abi::release::{NoSuchRelease, Release};
pub use abi::signal::{ExitStatus, SigAction, Signal};
pub use abi::syscall::*;
pub use dev::devfs::DeviceNode;
pub use dev::kqueue::KnoteInfo;
pub use front::fuse;
pub use image::inspect;
pub use kern::config::{Config, ConsoleSink, KpiCall, KpiHook};
pub use kern::interrupt::Interrupt;
pub use kern::malloc::{Leak, MallocBlock, MallocStats};
pub use kern::report::Report;
pub use kern::thread::{ThreadInfo, ThreadState};
pub use machine::usermem::{UserIn, UserMem, UserOut};
pub use machine::{fault, sync};
pub use syscall::{Call, IoctlArg, Kernel, KldError, PollWatch, Process};
