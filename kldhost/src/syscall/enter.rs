//! The way into the kernel and back: the common part of all system calls.

use super::proc::Proc;
use crate::abi::errno::Errno;
use crate::kern::Kern;
use crate::kern::report::Stop;
use crate::kern::thread::{Thread, this_thread};
use crate::machine::pcpu;
use crate::machine::sync::{self, Arc};

/// Runs `body` as system call `name` of `process`, on the calling thread, until it returns
/// something other than ERESTART.
pub fn system_call<T>(
    kern: &Arc<Kern>,
    process: &Arc<Proc>,
    name: &'static str,
    mut body: impl FnMut(&Thread) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let in_user_mode = pcpu::curthread().is_null();
    assert!(
        in_user_mode,
        "{name}(2) from within the kernel: hooks and callbacks must not make system calls"
    );
    kern.check_alive()?;
    process.enter(kern)?;
    let td = this_thread(kern);
    td.enter(process.pid, &process.signals, name);
    kern.events.notify();
    let result = loop {
        sync::switch(name);
        kern.data.update_ticks(kern.boot);
        let result = body(&td);
        let result = if matches!(result, Err(Errno::PANICKED)) {
            result
        } else {
            returned(&td, name, result)
        };
        td.take_signals(&process.signals);
        match result {
            Err(Errno::ERESTART) if !process.signals.is_ending() => {}
            result => break result,
        }
    };
    td.leave();
    td.take_signals(&process.signals);
    let ended = process.signals.is_ending();
    process.leave(kern);
    kern.events.notify();
    match result {
        Err(Errno::PANICKED) => result,
        _ if ended => Err(Errno::KILLED),
        _ => result,
    }
}

/// The checks on return to user mode.
fn returned<T>(td: &Thread, name: &str, result: Result<T, Errno>) -> Result<T, Errno> {
    let checked: Result<(), Stop> = td.check_no_locks(name, 0);
    checked?;
    if td.own().stops.replace(0) != 0 {
        return Err(td
            .misuse_at(
                0,
                name,
                "returns to user mode with stop signals deferred",
                None,
            )
            .into());
    }
    result
}
