//! kqueue(2) and kevent(2), without waiting. The registration of events, and its end.

use super::kqueue::{brief, kevent, watched};
use crate::abi::*;
use crate::call::{Call, Value};
use crate::check::{Failure, Outcome};
use crate::ctx::Ctx;
use crate::errno::*;
use crate::sys::{Fd, Kevent};
use alloc::vec;
use alloc::vec::Vec;

cases! { "kqueue":
    other_filters_are_refused [Kqueue],
    each_kqueue_gets_its_own_events [Kqueue],
    closing_the_descriptor_drops_its_events [Kqueue],
    a_dup_keeps_its_events [Kqueue],
    identity_is_kept [Kqueue],
    exit_with_events_registered [Kqueue],
}

fn other_filters_are_refused(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = p.kqueue()?;
    for filter in [EVFILT_VNODE, EVFILT_EMPTY] {
        check_eq!(
            p.change(kq, kevent(rw, filter, EV_ADD))?,
            Err(EINVAL),
            "filter {filter}"
        );
        let refused = Call::Kevent {
            kq,
            changes: vec![kevent(rw, filter, EV_ADD)],
            max: 1,
            timeout: Some(0),
        };
        let Ok(Value::Events(events)) = p.call(refused)? else {
            return Err(Failure::new("kevent with room for the error failed".into()));
        };
        check_eq!(events.len(), 1);
        check_eq!(
            (events[0].flags & EV_ERROR, events[0].data),
            (EV_ERROR, i64::from(EINVAL.0)),
            "filter {filter}"
        );
    }
    check_eq!(p.change(kq, kevent(rw, EVFILT_READ, EV_ADD))?, Ok(()));
    Ok(())
}

fn each_kqueue_gets_its_own_events(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, a) = cx.opened(O_RDONLY)?;
    let b = p.open(O_RDONLY)?;
    let queues = [
        watched(&mut p, a, EVFILT_READ, EV_CLEAR)?,
        watched(&mut p, a, EVFILT_READ, 0)?,
    ];
    check_eq!(
        p.change(queues[0], kevent(b, EVFILT_READ, EV_ADD | EV_ONESHOT))?,
        Ok(())
    );
    check_eq!(other.write(o, b"abc")?, Ok(3));
    check_eq!(
        brief(&p.events(queues[1], 4)?),
        vec![(EVFILT_READ, 3, false)]
    );
    let mut events = p.events(queues[0], 4)?;
    events.sort_by_key(|event| event.ident);
    check_eq!(brief(&events), vec![(EVFILT_READ, 3, false); 2]);
    check_eq!(
        events
            .iter()
            .map(|event| event.ident as Fd)
            .collect::<Vec<_>>(),
        vec![a.min(b), a.max(b)]
    );
    check_eq!(p.events(queues[0], 4)?, vec![]);
    check_eq!(
        brief(&p.events(queues[1], 4)?),
        vec![(EVFILT_READ, 3, false)]
    );
    Ok(())
}

fn closing_the_descriptor_drops_its_events(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, fd) = cx.opened(O_RDONLY)?;
    let kq = watched(&mut p, fd, EVFILT_READ, 0)?;
    check_eq!(other.write(o, b"abc")?, Ok(3));
    check_eq!(p.events(kq, 4)?.len(), 1);
    p.close(fd)?;
    check_eq!(p.events(kq, 4)?, vec![]);
    check_eq!(other.write(o, b"abc")?, Ok(3));
    check_eq!(p.events(kq, 4)?, vec![]);
    check_eq!(
        p.change(kq, kevent(fd, EVFILT_READ, EV_DELETE))?,
        Err(EBADF)
    );
    Ok(())
}

/// Events belong to the descriptor, and not to the open file.
fn a_dup_keeps_its_events(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let dup = p.dup(rw)?;
    let kq = watched(&mut p, rw, EVFILT_READ, 0)?;
    check_eq!(p.change(kq, kevent(dup, EVFILT_READ, EV_ADD))?, Ok(()));
    check_eq!(p.write(rw, b"abc")?, Ok(3));
    check_eq!(p.events(kq, 4)?.len(), 2);
    p.close(rw)?;
    let events = p.events(kq, 4)?;
    check_eq!(brief(&events), vec![(EVFILT_READ, 3, false)]);
    check_eq!(events[0].ident, dup as u64);
    Ok(())
}

fn identity_is_kept(cx: &mut Ctx) -> Outcome {
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = p.kqueue()?;
    let change = Kevent {
        udata: 0x1234_5678_9abc_def0,
        ..kevent(rw, EVFILT_WRITE, EV_ADD | EV_CLEAR)
    };
    check_eq!(p.change(kq, change)?, Ok(()));
    let want = Kevent {
        flags: EV_CLEAR,
        data: 64,
        ..change
    };
    check_eq!(p.events(kq, 4)?, vec![want]);
    check_eq!(
        p.change(kq, Kevent { udata: 7, ..change })?,
        Ok(()),
        "again, with another udata"
    );
    check_eq!(p.events(kq, 4)?, vec![Kevent { udata: 7, ..want }]);
    Ok(())
}

fn exit_with_events_registered(cx: &mut Ctx) -> Outcome {
    let (mut other, o) = cx.opened(O_RDWR | O_NONBLOCK)?;
    let (mut p, rw) = cx.opened(O_RDWR)?;
    let kq = watched(&mut p, rw, EVFILT_READ, 0)?;
    check_eq!(p.change(kq, kevent(rw, EVFILT_WRITE, EV_ADD))?, Ok(()));
    p.exit()?;
    check_eq!(other.write(o, b"abc")?, Ok(3));
    check_eq!(other.read(o, 9)?, Ok(b"abc".to_vec()));
    Ok(())
}
