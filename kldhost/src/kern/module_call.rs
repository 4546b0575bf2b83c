//! Calls into module code, and the way out of it for a thread that does not return there.
//!
//! Nothing can unwind through a module. When the kernel is dead, a thread inside a KPI function
//! returns directly to the place where the kernel called the module. The frames of the module are
//! abandoned. This is sound because they are not Rust frames. The KPI function has dropped
//! everything that it owned before it calls [`leave`].

use super::report::Stop;
use super::thread::Thread;
use crate::machine::entry::{Frame, enter};
use crate::machine::sync::atomic::AtomicUsize;
use crate::machine::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::machine::{pcpu, sync};

/// The largest number of calls into modules that may nest. A nested call comes from a KPI function
/// that the outer one has called.
pub const NESTED: usize = 16;

/// Where a thread is, for each call into a module that has not returned, outermost first.
///
/// While module code runs, this is a place in the module. In a KPI function it is the address
/// that the function returns to. After a tail call, this address is in [`enter`]: the thread has
/// left the module, although the call has not returned.
#[derive(Default)]
pub struct Places([AtomicUsize; NESTED]);

impl Places {
    /// A place for which `ours` returns true, if there is one.
    pub fn find(&self, ours: impl Fn(usize) -> bool) -> Option<usize> {
        self.0
            .iter()
            .map(|place| place.load(SeqCst))
            .find(|&place| ours(place))
    }
}

/// Records where a KPI function returns to. To be called before it does anything.
pub fn enter_kpi(td: &Thread) {
    let depth = td.own().frames.borrow().len();
    if let Some(place) = depth
        .checked_sub(1)
        .and_then(|innermost| td.places.0.get(innermost))
    {
        // The KPI function has not released any lock yet. A thread that takes one sees this store.
        place.store(pcpu::caller(), Relaxed);
    }
}

/// Calls `function`, an address in a module, with up to six arguments.
///
/// # Errors
///
/// [`Stop`]: the thread left the module because the kernel is dead.
///
/// # Safety
///
/// `function` must be a C function that takes these arguments.
pub unsafe fn call(td: &Thread, function: usize, args: [usize; 6]) -> Result<usize, Stop> {
    let depth = td.own().frames.borrow().len();
    let Some(place) = td.places.0.get(depth) else {
        return Err(td.misuse(
            "module",
            format!("{NESTED} calls into modules nest in each other"),
            None,
        ));
    };
    // `enter` stores the stack pointer.
    td.own().frames.borrow_mut().push(Frame::NEW);
    let save = {
        let mut frames = td.own().frames.borrow_mut();
        frames[depth].save()
    };
    place.store(function, Relaxed);
    sync::switch("module");
    // SAFETY: as required of the caller. `save` stays valid until the store, which is the first
    // thing that `enter` does.
    let outcome = unsafe { enter(function, &args, save) };
    td.own().frames.borrow_mut().truncate(depth);
    place.store(0, Relaxed);
    if outcome.abandoned != 0 {
        Err(Stop)
    } else {
        Ok(outcome.value)
    }
}

/// Leaves the module for good: the innermost [`call`] of this thread returns [`Stop`].
///
/// Rust frames between here and that call must have nothing to drop.
pub fn leave(td: &Thread) -> ! {
    let frame = td.own().frames.borrow().last().copied();
    match frame {
        // SAFETY: the frame is live, because it is popped when its `call` returns.
        Some(frame) => unsafe { frame.abandon() },
        None => unreachable!("a KPI function runs outside of a module call"),
    }
}
