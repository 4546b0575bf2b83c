//! Whether the rules explain the observed results.
//!
//! The scheduler decides which call runs first, and some effects are not visible, such as the part
//! of a write before it slept. So the model keeps a set of systems, which are all states that
//! explain the results so far. Each step continues from all of them, in every order of the active
//! calls. It keeps the systems whose results are those observed.

use crate::call::Outcome;
use crate::system::System;
use std::collections::{HashMap, HashSet};

/// The observed result of each active call, by process, when every call has ended or sleeps. It is
/// `None` if the call sleeps.
pub type Seen = HashMap<usize, Option<Outcome>>;

/// All systems that may follow `before` and explain `seen`. Each call that has ended has that
/// result, and each call that sleeps has a reason to sleep.
pub fn explain(before: Vec<System>, seen: &Seen) -> Vec<System> {
    let mut known: HashSet<System> = before.iter().cloned().collect();
    let mut open = before;
    let mut settled = Vec::new();
    while let Some(system) = open.pop() {
        let mut at_rest = true;
        for at in 0..system.ops.len() {
            let ended = &seen[&system.ops[at].proc];
            for (next, outcome) in system.next(at) {
                at_rest = false;
                if (outcome.is_none() || outcome == *ended) && known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if at_rest && system.ops.iter().all(|op| seen[&op.proc].is_none()) {
            settled.push(system);
        }
    }
    settled
}
