//! The speed of the device on a FreeBSD kernel, next to a C driver and pipe(2). The guest program
//! of `tests/vm` measures, and here the result becomes a table.
//!
//! In a virtual machine, time is the number of guest instructions, of user program and kernel
//! together. It is the same on every machine, whatever the load, within a few tenths of a percent.

mod table;

use super::boot::{Accel, Machine};
use super::judge::Judge;
use super::{Boot, CPUS, Parts, TIMEOUT, Target, build, modules, native};
use crate::command;
use crate::module::kmod;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use table::Table;

/// The C driver.
const BASELINE: &str = "bench/baseline.c";

/// It makes the device under the same name, because the cost of a lookup depends on the name.
const BASELINE_CFLAGS: [&str; 1] = ["-DBASELINE_NAME=\"echo\""];

/// The file for the table.
const REPORT: &str = "docs/benchmarks-kernel.md";

/// The arguments of `vm-bench`.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    target: Target,
    /// Measure only the cases with this in their name, and write no report
    #[arg(long, default_value = "", hide_default_value = true)]
    cases: String,
}

/// Boots the kernel and measures.
pub fn vm_bench(root: &Path, options: &Options) -> Result<()> {
    let tools = root.join("target/tools");
    let Some(kernel) = options.target.kernel(&tools)? else {
        return Ok(());
    };
    let c = options.target.c_tools(root, &kernel)?;
    let c = c.with_context(|| {
        format!(
            "the C driver can be built for {} only with SYSDIR=",
            kernel.title()
        )
    })?;
    let module = options.target.module(root, &kernel)?;
    let baseline = kmod::c_module(
        root,
        &c,
        &root.join(BASELINE),
        &root.join("target/vm"),
        &BASELINE_CFLAGS,
    )?;
    let built = build::build(root)?;
    let machine = Machine::find(&tools, Accel::Counting, built.loader)?;
    println!("booting {} with {machine}", kernel.title());
    let parts = Parts {
        dir: root.join("target/vm"),
        kernel,
        init: built.init,
        machine,
        c: None,
        cpus: CPUS,
        timeout: Duration::from_secs(TIMEOUT),
    };
    let env = [
        ("echodev.job", "bench"),
        ("echodev.cases", options.cases.as_str()),
    ];
    let modules = modules::for_bench(&module, &baseline);
    let run = parts.run(&Boot {
        name: "bench",
        modules: &modules,
        preload: None,
        env: &env,
        print: true,
    })?;
    let table = judged(&run.judge)?;
    println!("instructions per operation, of user program and kernel:\n\n{table}");
    println!(
        "vm-bench: {} s; console: {}",
        run.seconds,
        run.log.display()
    );
    if !options.cases.is_empty() {
        return Ok(());
    }
    let date = command::output(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let report = root.join(REPORT);
    fs::create_dir_all(root.join("docs"))?;
    let text = format!(
        "# The device on a FreeBSD kernel\n\n\
         Guest instructions per operation, of user program and kernel together: `make vm-bench`, \
         {}, on {}, {CPUS} processors; {}. A drain starts with a full buffer. At most 64 Ki bytes \
         of it are drained, and fewer if that takes too long. Processes that work together run on \
         one processor.\n\n\
         {table}\n\
         - echodev: the module. C driver: `{BASELINE}`, with a flat buffer whose rest is moved \
         down by each read, and wakeup(9) at each transition. pipe: pipe(2).\n\
         - Targets: at or below the C driver everywhere; pairs and drains within 1.10 of a pipe; \
         drains within 1.10 of the drain of 64 bytes; blocked readers at a quarter of the C \
         driver. A difference of 0.2 % counts as none, because two runs differ by that much.\n\
         - Missed targets: a sleep costs the module about 200 instructions more than it costs the \
         C driver, because stop signals are deferred during the sleep (`sigdeferstop`). Without \
         that, a process that is stopped in read(2) would block kldunload(8). The cost is visible \
         if every operation sleeps, in the ping-pong and the stream.\n",
        date.trim(),
        parts.kernel.title(),
        parts.machine.description()?,
    );
    fs::write(&report, text).with_context(|| format!("cannot write {}", report.display()))?;
    println!("written to {REPORT}");
    Ok(())
}

/// Measures time on this FreeBSD system. It needs root.
pub fn here(root: &Path) -> Result<()> {
    let table = judged(&native::guest(root, "bench", |tested, c, dir| {
        let baseline = kmod::c_module(root, c, &root.join(BASELINE), dir, &BASELINE_CFLAGS)?;
        Ok(modules::for_bench(tested, &baseline))
    })?)?;
    println!("nanoseconds per operation:\n\n{table}");
    Ok(())
}

fn judged(judge: &Judge) -> Result<Table> {
    print!("{}", judge.report());
    ensure!(
        judge.passed(),
        "not everything could be measured: {}",
        judge.summary()
    );
    judge.passed_cases().map(str::parse).collect()
}
