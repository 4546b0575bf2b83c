//! Programs of system calls by several processes, against the hosted module.
//!
//! One thread makes all the calls; one that may block gets a thread of its own, and the next call
//! is made when every thread is back or asleep. So a program has the same outcome each time, or
//! almost.

mod call;
mod machine;
mod memory;
mod pending;
mod perform;
mod step;
mod stream;
mod waits;

use self::call::Program;
use self::machine::Machine;
use arbitrary::{Arbitrary, Unstructured};
use std::sync::OnceLock;

/// A program may take so many steps.
const STEPS: usize = 64;

/// Gets a number for everything that the module and the calls do, as a hint to the fuzzer: it
/// cannot see into the module.
pub type Seen = fn(u32);

/// Runs a program on a kernel of its own. Every call must come back, the device must neither lose
/// bytes nor make up any, nobody may sleep who has reason to be awake, and nothing may be left when
/// the module is unloaded.
///
/// # Panics
///
/// Over a find, and when there is no module: `make kmod` builds it.
pub fn program(bytes: &[u8], seen: Seen) {
    let Ok(mut program) = Program::arbitrary(&mut Unstructured::new(bytes)) else {
        return;
    };
    program.steps.truncate(STEPS);
    let mut machine = Machine::boot(module(), program.bufsize, seen);
    for step in program.steps {
        machine.step(step);
    }
    machine.finish(program.exit_first);
}

/// The module's file. `ECHODEV_KMOD_DIR` names the directory that has `15/echodev.ko`.
fn module() -> &'static [u8] {
    static MODULE: OnceLock<Vec<u8>> = OnceLock::new();
    MODULE.get_or_init(|| {
        let dir = match std::env::var_os("ECHODEV_KMOD_DIR") {
            Some(dir) => dir.into(),
            None => std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kmod"),
        };
        let path = dir.join("15/echodev.ko");
        std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}; `make kmod` builds it", path.display()))
    })
}
