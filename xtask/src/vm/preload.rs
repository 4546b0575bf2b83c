//! The same machine, whose kernel starts with the module, as after `echodev_load="YES"` in
//! loader.conf(5).

use super::{Boot, Parts, modules};
use anyhow::{Result, ensure};
use std::path::Path;

/// The only case of the guest program there.
pub const CASE: &str = "preload::is_there_at_boot";

/// The environment for it. The guest program expects a buffer of this size.
const ENVIRONMENT: [(&str, &str); 2] = [("echodev.job", "preload"), ("hw.echodev.bufsize", "1000")];

/// Boots the machine. It is an error if the module is not there, or anything else is not as it
/// should be.
pub fn show(parts: &Parts, module: &Path) -> Result<()> {
    let modules = modules::for_suite(module, parts.c.as_ref());
    let boot = Boot {
        name: "preload",
        modules: &modules,
        preload: Some(module),
        env: &ENVIRONMENT,
        print: true,
    };
    let run = parts.run(&boot)?;
    print!("{}", run.judge.report());
    println!(
        "the module loaded with the kernel: {}, {} s",
        run.judge.summary(),
        run.seconds
    );
    ensure!(
        run.judge.passed(),
        "the module loaded with the kernel failed on {}",
        parts.kernel.title()
    );
    Ok(())
}
