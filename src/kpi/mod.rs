//! Safe wrappers of the FreeBSD kernel functions that the driver uses, shaped so that misuse does
//! not compile.
//!
//! * An [`Exclusive`](monitor::Exclusive) or [`Shared`](monitor::Shared) guard is the proof that
//!   the sx lock is held, and the only way to the state under it. Only the exclusive one can signal
//!   (wakeup, selwakeup, KNOTE).
//! * Sleeping takes the guard by `&mut`: what was read before it must be read again.
//! * A [`Poll`](monitor::Poll), without which nothing can be recorded, exists only inside d_poll.
//! * A uio is either read from or written to: [`ReadUio`](uio::ReadUio),
//!   [`WriteUio`](uio::WriteUio).
//! * What `malloc` gives is zeroed and owned.

pub mod cdev;
pub mod errno;
mod filterops;
pub mod knote;
pub mod malloc;
pub mod monitor;
mod panic;
pub mod tunable;
pub mod uio;
