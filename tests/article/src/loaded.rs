//! The module in the kernel of this FreeBSD system.

use crate::interrupt;
use crate::programs::Programs;
use crate::stage::Stage;
use std::path::Path;
use std::process::Command;

/// The loaded module. It makes `/dev/echo`.
pub struct Place;

impl Place {
    /// Loads the module in file `module`. Ctrl-C unloads it, and ends the program.
    pub fn new(module: &Path) -> Result<Place, String> {
        let signals = interrupt::block()?;
        kld("kldload", &module.to_string_lossy())?;
        interrupt::leave_first(signals, unload);
        Ok(Place)
    }

    /// The stage for commands.
    pub fn stage(&self) -> Result<Box<dyn Stage>, String> {
        Ok(Box::new(Programs::new(Path::new("/"))?))
    }

    /// Unloads the module.
    pub fn leave(&self) -> Result<(), String> {
        unload()
    }
}

fn unload() -> Result<(), String> {
    kld("kldunload", "echodev")
}

/// Runs kldload(8) or kldunload(8), which print the reason of a failure.
fn kld(program: &str, argument: &str) -> Result<(), String> {
    let status = Command::new(program)
        .arg(argument)
        .status()
        .map_err(|error| format!("{program}: {error}"))?;
    if status.success() {
        return Ok(());
    }
    Err(format!(
        "{program} {argument} failed; it needs root, and `kldstat -m echodev` shows whether the \
         module is loaded"
    ))
}
