//! The same machine with a driver that is written in plain C, as such drivers usually are. It
//! passes simple cases, and fails in those that need care.

use super::{Boot, Parts};
use anyhow::{Result, bail};

/// A case, and the console output that is expected with that driver.
struct Expectation {
    case: &'static str,
    /// One of these is in a line of the console.
    console: &'static [&'static str],
}

const EXPECTATIONS: [Expectation; 4] = [
    Expectation {
        case: "open::a_dup_counts_once",
        console: &["ok 1 - "],
    },
    // With INVARIANTS, the kernel finds the knotes. Without, it calls code that was unloaded.
    Expectation {
        case: "unload::another_process_never_collects_its_events",
        console: &[
            "with knotes on it",
            "panic: page fault",
            "panic: general protection fault",
        ],
    },
    // It mistakes the forced close for that of a reader.
    Expectation {
        case: "revoke::new_reader_sees_eof_at_once",
        console: &["got Err(EWOULDBLOCK)"],
    },
    Expectation {
        case: "kernel::bad_pointers_then_sigkill",
        console: &["hung: no answer of process"],
    },
];

/// Boots a machine for each expectation. It is an error if one is not met. Without such a driver,
/// it does nothing.
pub fn show(parts: &Parts) -> Result<()> {
    let Some(c) = &parts.c else {
        println!("a plain C driver for comparison can be built for this kernel only with SYSDIR=");
        return Ok(());
    };
    println!("a plain C driver in the same machine:");
    let modules = [("echodev.ko", c.squatter.clone())];
    for expected in EXPECTATIONS {
        let env = [("echodev.cases", expected.case), ("echodev.bound", "10")];
        let run = parts.run(&Boot {
            name: "bad-driver",
            modules: &modules,
            preload: None,
            env: &env,
            print: false,
        })?;
        let Some(line) = expected
            .console
            .iter()
            .find_map(|text| run.judge.line_with(text))
        else {
            bail!(
                "{} did not go as expected with a plain C driver:\n{}",
                expected.case,
                run.judge.report()
            );
        };
        // Only the result of a long call.
        let line = line.split_once("hung: ").map_or(line, |(_, hung)| hung);
        println!("  {}: {}", expected.case, line.trim_start_matches("# "));
    }
    Ok(())
}
