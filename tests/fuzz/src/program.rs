//! Programs of system calls by several processes, against the hosted module.
//!
//! One thread makes all the calls. A call that may block gets its own thread. The next call is made
//! when every thread has returned or is asleep. So a program has nearly the same outcome each time.

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

/// The maximum number of steps of a program.
const STEPS: usize = 64;

/// Gets a number for each action of the module and of the calls. The numbers guide the fuzzer,
/// which cannot see into the module.
pub type Seen = fn(u32);

/// Runs a program on its own kernel, and checks these rules. Every call returns. The device does
/// not lose bytes, and does not invent any. No thread sleeps if its condition holds. Nothing is
/// left when the module is unloaded.
///
/// # Panics
///
/// If a rule is broken, or if there is no module (`make kmod` builds it).
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

/// The module's file, `15/echodev.ko` in the directory `ECHODEV_KMOD_DIR`.
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
