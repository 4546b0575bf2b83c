//! The engine: everything that blocks, every thread that kldhost starts, and its clock.
//!
//! There are two. The native engine has the threads of the operating system. In the other one,
//! threads are coroutines, and a scheduler of the crate shuttle decides which runs next. The
//! feature `shuttle` selects it. The package in `tests/schedules` has this feature. It compiles
//! this library once more, because cargo builds a package once for all of its users.
//!
//! A [`Mutex`] must not be held where another thread may have to run: over a sleep, a [`switch`],
//! or a call into a module. A [`SleepMutex`] may be.

#[cfg(feature = "shuttle")]
mod coroutines;
#[cfg(not(feature = "shuttle"))]
mod native;

#[cfg(feature = "shuttle")]
pub use coroutines::*;
#[cfg(not(feature = "shuttle"))]
pub use native::*;
