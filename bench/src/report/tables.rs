//! Tables of times and of counts.

use super::data::Data;
use super::{count, time};
use crate::cases::{GROUPS, Group, OWN, Subject};
use crate::counts::{Calls, Counts};
use anyhow::Result;
use std::fmt::Write as _;

/// The times of all groups.
pub fn times(data: &Data) -> Result<String> {
    let own = data.own();
    let mut text = format!(
        "## Times\n\nkldhost's own cost is {}, measured with a system call that the driver answers \
         at once. The column \"kldhost\" is this cost times the calls. \"Net\" is the ratio without \
         it, of the drivers and the KPI functions of kldhost.\n",
        time(own)
    );
    for group in GROUPS.iter().filter(|group| group.name != OWN.name) {
        write!(text, "\n**{}**\n\n", capitalised(group.title))?;
        table(&mut text, data, group, own)?;
    }
    Ok(text)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

fn table(text: &mut String, data: &Data, group: &Group, own: f64) -> Result<()> {
    let mut head = vec![group.parameter, "echodev", "C", "ratio"];
    if group.calls != 0 {
        head.extend(["kldhost", "net"]);
    }
    if group.memcpy {
        head.extend(["memcpy", "echodev / memcpy"]);
    }
    row(text, &head)?;
    row(text, &head.iter().map(|_| "---:").collect::<Vec<_>>())?;
    for &value in group.values {
        let [ours, theirs] =
            [Subject::Echodev, Subject::Baseline].map(|subject| data.get(group, subject, value));
        let number = if group.parameter.is_empty() {
            String::new()
        } else {
            count(value)
        };
        let mut cells = vec![
            number,
            time(ours),
            time(theirs),
            format!("{:.2}", ours / theirs),
        ];
        if group.calls != 0 {
            let own = own * f64::from(group.calls);
            cells.extend([time(own), format!("{:.2}", (ours - own) / (theirs - own))]);
        }
        if group.memcpy {
            let memcpy = data.get(group, Subject::Memcpy, value);
            cells.extend([time(memcpy), format!("{:.2}", ours / memcpy)]);
        }
        row(text, &cells)?;
    }
    Ok(())
}

fn row(text: &mut String, cells: &[impl AsRef<str>]) -> Result<()> {
    let cells: Vec<_> = cells.iter().map(AsRef::as_ref).collect();
    Ok(writeln!(text, "| {} |", cells.join(" | "))?)
}

/// The counts.
pub fn counts(counts: &Counts) -> String {
    let mut text = String::from(
        "## Counts\n\nKPI calls while no thread waits:\n\n| operation | echodev | C |\n| --- | --- | --- |\n",
    );
    for operation in &counts.operations {
        let [ours, theirs] = operation.calls.each_ref().map(listed);
        text += &format!("| {} | {ours} | {theirs} |\n", operation.title);
    }
    text += "\nThreads woken, and calls of wakeup(9) and wakeup_one(9):\n\n\
             | per | echodev: woken | calls | C: woken | calls |\n| --- | ---: | ---: | ---: | ---: |\n";
    for waking in &counts.waking {
        let [woken, calls] = [waking.woken, waking.calls];
        text += &format!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} |\n",
            waking.title, woken[0], calls[0], woken[1], calls[1]
        );
    }
    text
}

fn listed(calls: &Calls) -> String {
    let total: f64 = calls.values().sum();
    let each: Vec<_> = calls
        .iter()
        .map(|(name, n)| format!("{n} {name}"))
        .collect();
    format!("{total}: {}", each.join(", "))
}
