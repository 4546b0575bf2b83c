//! Whether the rules allow what was seen.
//!
//! Who runs first of those who can is up to the scheduler, and part of what happens does not show:
//! how much of a write went in before it slept, say. So what is known is a set of systems, all that
//! the past allows; each step goes on from all of them, in every order of the calls under way, and
//! keeps those that end as was seen.

use crate::call::Outcome;
use crate::system::System;
use std::collections::{HashMap, HashSet};

/// What was seen of each call under way, by process, once nothing moves any more: how it ended, or
/// `None` if it sleeps.
pub type Seen = HashMap<usize, Option<Outcome>>;

/// All systems that may come of `before` and show what was `seen`: the calls that have ended have
/// ended so, and those that sleep have no reason to wake.
pub fn explain(before: Vec<System>, seen: &Seen) -> Vec<System> {
    let mut known: HashSet<System> = before.iter().cloned().collect();
    let mut open = before;
    let mut settled = Vec::new();
    while let Some(system) = open.pop() {
        let mut at_rest = true;
        for at in 0..system.ops.len() {
            let ended = &seen[&system.ops[at].who];
            for (next, outcome) in system.next(at) {
                at_rest = false;
                if (outcome.is_none() || outcome == *ended) && known.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        if at_rest && system.ops.iter().all(|op| seen[&op.who].is_none()) {
            settled.push(system);
        }
    }
    settled
}
