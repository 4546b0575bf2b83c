//! The guest program of `tests/vm` as an ordinary process, on this FreeBSD system.

use super::build;
use super::judge::Judge;
use super::modules::{self, CModules};
use crate::command;
use crate::module::kmod;
use crate::module::toolchain::{CTools, Freebsd};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs the suite on the kernel of this system, which loads and unloads the module many times. It
/// needs root.
pub fn test(root: &Path) -> Result<()> {
    let judge = guest(root, "test", |tested, c, _| {
        Ok(modules::for_suite(tested, Some(&CModules::build(root, c)?)))
    })?;
    println!(
        "the suite on the kernel of this system: {}",
        judge.summary()
    );
    ensure!(
        judge.passed(),
        "the suite failed on the kernel of this system"
    );
    Ok(())
}

/// Runs the guest program for `job`. `others` returns all modules that it loads. Its arguments are
/// the module under test, a compiler for others, and a directory to build them in.
pub fn guest(
    root: &Path,
    job: &str,
    others: impl FnOnce(&Path, &CTools, &Path) -> Result<Vec<(&'static str, PathBuf)>>,
) -> Result<Judge> {
    let user = command::output(Command::new("id").arg("-u"))?;
    ensure!(
        user.trim() == "0",
        "it loads and unloads modules: run `make {job}` as root"
    );
    let loaded = command::run(Command::new("kldstat").args(["-q", "-m", "echodev"])).is_ok();
    ensure!(
        !loaded,
        "echodev is loaded, which keeps the new module from being loaded: run `make unload` first"
    );
    let line = Freebsd::at_hand()?
        .pop()
        .context("no release line to build for")?;
    let module = kmod::kmod(root, line)?;
    let dir = root.join("target/vm/modules");
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let c = CTools::release(
        &root.join("target/tools"),
        line,
        &kmod::build_dir(root, line.major())?,
    )?;
    for (name, file) in others(&module, &c, &dir)? {
        let copy = dir.join(name);
        fs::copy(&file, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    }

    let mut program = Command::new(build::guest(root)?);
    program.arg(job).arg(&dir);
    let mut running = program
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut judge = Judge::default();
    for line in BufReader::new(running.stdout.take().context("a program without output")?).lines() {
        let line = line?;
        if judge.line(&line) {
            println!("{line}");
        }
    }
    running.wait()?;
    judge.end(None);
    print!("{}", judge.report());
    Ok(judge)
}
