//! The same machine with a driver that is written in plain C, as such drivers usually are: it
//! passes for good, and fails where care is needed.

use super::{Boot, Parts};
use anyhow::{Result, bail};

/// A case, and what the console says when it goes as it must with that driver.
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
    // With INVARIANTS the kernel finds the knotes; without, it calls what was unloaded.
    Expectation {
        case: "unload::another_process_never_collects_its_events",
        console: &[
            "with knotes on it",
            "panic: page fault",
            "panic: general protection fault",
        ],
    },
    // It takes the forced close for a reader's.
    Expectation {
        case: "revoke::new_reader_sees_eof_at_once",
        console: &["got Err(EWOULDBLOCK)"],
    },
    Expectation {
        case: "kernel::bad_pointers_then_sigkill",
        console: &["hung: no answer of process"],
    },
];

/// Boots a machine for each expectation; an error if one is not met. Does nothing where there is no
/// such driver.
pub fn show(parts: &Parts) -> Result<()> {
    let Some(c) = &parts.c else {
        println!("a plain C driver for comparison can be built for this kernel with SYSDIR= only");
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
        let Some(said) = expected
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
        // Of a long call only what came of it.
        let said = said.split_once("hung: ").map_or(said, |(_, hung)| hung);
        println!("  {}: {}", expected.case, said.trim_start_matches("# "));
    }
    Ok(())
}
