//! Ctrl-C, which cleans up before the program ends.

use nix::sys::signal::{SigSet, Signal};
use std::process::exit;
use std::thread;

/// Blocks the signals that end a program, in this thread and in all threads that it starts later.
pub fn block() -> Result<SigSet, String> {
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals
        .thread_block()
        .map_err(|error| format!("cannot block signals: {error}"))?;
    Ok(signals)
}

/// Ends the program when one of the blocked `signals` arrives, after a call of `leave`.
pub fn leave_first(signals: SigSet, leave: impl FnOnce() -> Result<(), String> + Send + 'static) {
    thread::spawn(move || {
        if signals.wait().is_ok() {
            if let Err(error) = leave() {
                eprintln!("article: {error}");
            }
            exit(130);
        }
    });
}
