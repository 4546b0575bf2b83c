//! A process with events on the device dumps core.

use super::{expect, watch};
use crate::cores;
use crate::freebsd::{kinfo, sysctl};
use alloc::format;
use suite::abi::{EVFILT_READ, EVFILT_WRITE, O_RDWR};
use suite::check::{Failure, Outcome};
use suite::ctx::Ctx;

const SIGQUIT: i32 = 3;

/// There is a core file. If the kernel reports kqueues, the file has a record for each event.
pub fn a_core_file_is_written(cx: &mut Ctx<'_>) -> Outcome {
    let (mut process, fd) = cx.opened(O_RDWR)?;
    let filters = [EVFILT_READ, EVFILT_WRITE];
    for filter in filters {
        let kq = process.kqueue()?;
        expect("kevent", process.change(kq, watch(fd, filter, 0))?, Ok(()))?;
    }
    process.kill(SIGQUIT)?;
    process.died()?;

    let core = cores::take().map_err(|error| Failure::new(format!("the core file: {error}")))?;
    let Some(notes) = cores::notes(&core) else {
        return Err(Failure::new(format!(
            "{} bytes, and not a core file",
            core.len()
        )));
    };
    if !sysctl::exists(kinfo::KQUEUES) {
        return expect("notes about kqueues", cores::kqueues(&notes), None);
    }
    // 15.0 counts the events by calling their filters, but then leaves the records empty. It copies
    // them to a buffer without room for the byte after the last.
    expect(
        "events in the core file",
        cores::kqueues(&notes).map(|events| events.len()),
        Some(filters.len()),
    )
}
