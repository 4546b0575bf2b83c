//! Unload at once after another process has started to drop its events, which may then be at any
//! point.

use super::kqueue::kevent;
use crate::abi::*;
use crate::call::{Call, Reply, Value};
use crate::check::Outcome;
use crate::ctx::Ctx;
use crate::errno::*;
use crate::process::Process;
use crate::sys::Fd;
use alloc::vec;
use alloc::vec::Vec;

cases! { "leaving":
    kqueue_closed [Unload, Kqueue],
    descriptor_closed [Unload, Kqueue],
    events_deleted [Unload, Kqueue],
    oneshot_collected [Unload, Kqueue],
    all_at_once [Unload, Kqueue],
}

/// A way to drop events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    CloseKqueue,
    CloseDescriptor,
    Delete,
    Oneshot,
}

const WAYS: [Way; 4] = [
    Way::CloseKqueue,
    Way::CloseDescriptor,
    Way::Delete,
    Way::Oneshot,
];

/// A process that is about to drop its events.
struct Leaver {
    way: Way,
    process: Process,
    fd: Fd,
    kq: Fd,
}

impl Leaver {
    fn prepare(cx: &mut Ctx, way: Way) -> Outcome<Leaver> {
        let (mut process, fd) = cx.opened(O_RDWR | O_NONBLOCK)?;
        let kq = process.kqueue()?;
        let oneshot = if way == Way::Oneshot { EV_ONESHOT } else { 0 };
        for filter in [EVFILT_READ, EVFILT_WRITE] {
            check_eq!(
                process.change(kq, kevent(fd, filter, EV_ADD | oneshot))?,
                Ok(())
            );
        }
        Ok(Leaver {
            way,
            process,
            fd,
            kq,
        })
    }

    fn start(&mut self) -> Outcome {
        let (fd, kq) = (self.fd, self.kq);
        self.process.start(match self.way {
            Way::CloseKqueue => Call::Close { fd: kq },
            Way::CloseDescriptor => Call::Close { fd },
            Way::Delete => {
                let changes = vec![
                    kevent(fd, EVFILT_READ, EV_DELETE),
                    kevent(fd, EVFILT_WRITE, EV_DELETE),
                ];
                Call::Kevent {
                    kq,
                    changes,
                    max: 0,
                    timeout: Some(0),
                }
            }
            Way::Oneshot => Call::Kevent {
                kq,
                changes: vec![],
                max: 4,
                timeout: Some(0),
            },
        })
    }

    fn finish(&mut self) -> Outcome {
        let (way, reply): (Way, Reply) = (self.way, self.process.finish()?);
        match way {
            Way::CloseKqueue => check_eq!(reply, Ok(Value::Done), "{way:?}"),
            Way::CloseDescriptor => check_one_of!(reply, [Ok(Value::Done), Err(ENXIO)]),
            // Unload may have dropped them first.
            Way::Delete => check_one_of!(reply, [Ok(Value::Events(vec![])), Err(ENOENT)]),
            Way::Oneshot => {
                let Ok(Value::Events(events)) = &reply else {
                    return Err(crate::check::Failure::new(alloc::format!(
                        "kevent: {reply:?}"
                    )));
                };
                check!(
                    events.iter().all(|event| event.ident == self.fd as u64),
                    "{events:?} was collected"
                );
            }
        }
        Ok(())
    }
}

/// Repeats this many times, because the two may meet at another point each time.
fn leave(cx: &mut Ctx, ways: &[Way]) -> Outcome {
    const ROUNDS: usize = 25;
    for round in 0..ROUNDS {
        if round != 0 {
            cx.load()?;
        }
        let mut leavers = ways
            .iter()
            .map(|way| Leaver::prepare(cx, *way))
            .collect::<Outcome<Vec<_>>>()?;
        for leaver in &mut leavers {
            leaver.start()?;
        }
        cx.unload()?;
        for leaver in &mut leavers {
            leaver.finish()?;
        }
    }
    Ok(())
}

fn kqueue_closed(cx: &mut Ctx) -> Outcome {
    leave(cx, &[Way::CloseKqueue])
}

fn descriptor_closed(cx: &mut Ctx) -> Outcome {
    leave(cx, &[Way::CloseDescriptor])
}

fn events_deleted(cx: &mut Ctx) -> Outcome {
    leave(cx, &[Way::Delete])
}

fn oneshot_collected(cx: &mut Ctx) -> Outcome {
    leave(cx, &[Way::Oneshot])
}

fn all_at_once(cx: &mut Ctx) -> Outcome {
    leave(cx, &[WAYS, WAYS].concat())
}
