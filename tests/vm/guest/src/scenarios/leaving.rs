//! Unload while other processes drop their events.

use alloc::vec;
use alloc::vec::Vec;

use conformance::abi::{EV_DELETE, EV_ONESHOT, EVFILT_WRITE, O_RDWR};
use conformance::call::Call;
use conformance::check::Outcome;
use conformance::ctx::Ctx;
use conformance::process::Process;
use conformance::sys::{Fd, Kevent};

use super::{close_dead, expect, watch};
use crate::tap;

const ROUNDS: usize = 100;
const PROCESSES: usize = 8;

/// How an event is dropped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is collected, and was registered with EV_ONESHOT.
    Oneshot,
    /// EV_DELETE
    Delete,
    /// close(2) of the kqueue.
    CloseKqueue,
    /// close(2) of the device.
    CloseDevice,
}

const WAYS: [Way; 4] = [Way::Oneshot, Way::Delete, Way::CloseKqueue, Way::CloseDevice];

/// A process with an event, which has fired.
struct Holder {
    process: Process,
    way: Way,
    fd: Fd,
    kq: Fd,
}

impl Holder {
    fn new(mut process: Process, way: Way) -> Outcome<Self> {
        let fd = process.open(O_RDWR)?;
        let kq = process.kqueue()?;
        let flags = if way == Way::Oneshot { EV_ONESHOT } else { 0 };
        expect("kevent", process.change(kq, watch(fd, EVFILT_WRITE, flags))?, Ok(()))?;
        Ok(Self { process, way, fd, kq })
    }

    /// Begins to drop the event.
    fn start(&mut self) -> Outcome {
        let Self { fd, kq, .. } = *self;
        let kevent = |changes, max| Call::Kevent { kq, changes, max, timeout: Some(0) };
        self.process.start(match self.way {
            Way::Oneshot => kevent(vec![], 1),
            Way::Delete => kevent(vec![Kevent { flags: EV_DELETE, ..watch(fd, EVFILT_WRITE, 0) }], 0),
            Way::CloseKqueue => Call::Close { fd: kq },
            Way::CloseDevice => Call::Close { fd },
        })
    }

    /// Waits until the call returns. What it returns depends on which was first, it or the unload.
    fn end(mut self) -> Outcome<Process> {
        let _ = self.process.finish()?;
        if self.way != Way::CloseKqueue {
            self.process.close(self.kq)?;
        }
        if self.way != Way::CloseDevice {
            close_dead(&mut self.process, self.fd)?;
        }
        Ok(self.process)
    }
}

/// Processes drop their events in every way while the module is unloaded.
pub fn while_events_are_dropped(cx: &mut Ctx<'_>) -> Outcome {
    let mut processes = (0..PROCESSES).map(|_| cx.process()).collect::<Outcome<Vec<_>>>()?;
    for round in 0..ROUNDS {
        if round % 25 == 0 {
            tap::note(format_args!("{round} of {ROUNDS} unloads"));
        }
        // Each time another way is the last to begin.
        let ways = WAYS.into_iter().cycle().skip(round);
        let holders = processes.drain(..).zip(ways).map(|(process, way)| Holder::new(process, way));
        let mut holders = holders.collect::<Outcome<Vec<_>>>()?;
        holders.iter_mut().try_for_each(Holder::start)?;
        cx.unload()?;
        processes = holders.into_iter().map(Holder::end).collect::<Outcome<_>>()?;
        cx.load()?;
    }
    Ok(())
}
