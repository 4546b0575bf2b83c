//! selinfo: the waiters in poll(2) and select(2) on a device, selrecord(9).
//!
//! The kernel's list of waiters is kept here, by the address of the `struct selinfo`. The structure
//! itself only shows whether there are any. The first selrecord(9) sets `si_mtx`. The list head is
//! non-null while there are waiters.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::{null_mut, without_provenance_mut};

use super::Dev;
use crate::abi::errno::Errno;
use crate::abi::layout::Selinfo;
use crate::kern::Kern;
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::thread::Thread;
use crate::machine::sync::atomic::AtomicBool;
use crate::machine::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::machine::sync::{self, Arc, Instant, Mutex, SleepMutex};

/// A waiter, `struct seltd`: a thread in poll(2) or select(2), or a callback.
pub struct Poller {
    /// `SELTD_PENDING`: there was a wakeup since the last check.
    pending: SleepMutex<bool>,
    /// Called when something happens, if it is not a thread.
    notify: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// One selinfo that a poller waits on, `struct selfd`.
pub struct Selfd {
    /// The descriptor that was polled, in the poller's own numbering.
    pub cookie: usize,
    /// The address of the selinfo.
    sip: usize,
    poller: Arc<Poller>,
    /// Set when the selinfo was woken.
    pub fired: AtomicBool,
}

/// The request that selrecord(9) serves, in a d_poll.
pub struct PollRequest {
    poller: Arc<Poller>,
    cookie: usize,
    /// `SELTD_RESCAN`: nothing is recorded again.
    rescan: bool,
    recorded: RefCell<Vec<Arc<Selfd>>>,
}

/// `st_free1`, `st_free2`: the number of selinfos that one d_poll can record.
const SELFDS: usize = 2;

/// All waiters of a kernel, by selinfo.
#[derive(Default)]
pub struct Waiters(Mutex<HashMap<usize, Vec<Arc<Selfd>>>>);

/// The value of the list head while there are waiters. It must not be followed.
const SOMEBODY: usize = 0x10;

impl Poller {
    /// A thread that polls.
    pub fn thread() -> Arc<Poller> {
        Arc::new(Poller {
            pending: SleepMutex::new(false),
            notify: None,
        })
    }

    /// A callback.
    pub fn callback(notify: Arc<dyn Fn() + Send + Sync>) -> Arc<Poller> {
        Arc::new(Poller {
            pending: SleepMutex::new(false),
            notify: Some(notify),
        })
    }

    fn chan(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn wake(&self, kern: &Kern) {
        let before = std::mem::replace(&mut *self.pending.lock(), true);
        match &self.notify {
            Some(notify) if !before => notify(),
            Some(_) => {}
            None => kern.sleepq.wakeup(self.chan()),
        }
    }

    /// `seltdwait`: sleeps until something has happened since the last call.
    ///
    /// # Errors
    ///
    /// The inner one: EWOULDBLOCK at the deadline, EINTR or ERESTART on a signal.
    pub fn wait(&self, td: &Thread, deadline: Option<Instant>) -> Result<Result<(), Errno>, Stop> {
        let mut pending = self.pending.lock();
        if std::mem::take(&mut *pending) {
            return Ok(Ok(()));
        }
        let how = Sleep {
            deadline,
            catch: true,
            ..Sleep::on(self.chan(), "select")
        };
        let result = td.kernel().sleep(td, how, || {
            drop(pending);
            Ok(())
        })?;
        if result.is_ok() {
            *self.pending.lock() = false;
        }
        Ok(result)
    }
}

impl PollRequest {
    /// For the d_poll of the descriptor that `poller` calls `cookie`.
    pub fn new(poller: &Arc<Poller>, cookie: usize, rescan: bool) -> PollRequest {
        PollRequest {
            poller: poller.clone(),
            cookie,
            rescan,
            recorded: RefCell::default(),
        }
    }

    /// Runs `body` with the request in `td_sel`, and returns what was recorded during the call.
    pub fn serve<T>(self, td: &Thread, body: impl FnOnce() -> T) -> (T, Vec<Arc<Selfd>>) {
        let before = td.own().sel.replace((&raw const self).cast());
        let result = body();
        td.own().sel.set(before);
        (result, self.recorded.into_inner())
    }
}

/// The request that the thread serves, in d_poll.
fn request(td: &Thread) -> Option<&PollRequest> {
    let request = td.own().sel.get().cast::<PollRequest>();
    // SAFETY: only `PollRequest::serve` sets it, while it keeps the request in place.
    unsafe { request.as_ref() }
}

/// `selrecord`.
pub fn record(td: &Thread, call: &str, selector: usize, sip: &Selinfo) -> Result<(), Stop> {
    let Some(request) = request(td) else {
        return Err(td.misuse(call, "called outside of d_poll", None));
    };
    if selector != td.addr() {
        return Err(td.misuse(call, "the thread is not curthread", None));
    }
    if request.rescan {
        return Ok(());
    }
    if request.recorded.borrow().len() == SELFDS {
        return Err(td.misuse(
            call,
            "called more than twice in one d_poll: no free selfd on selq",
            None,
        ));
    }
    let (cookie, poller) = (request.cookie, request.poller.clone());
    let address = std::ptr::from_ref(sip).addr();
    let selfd = Arc::new(Selfd {
        cookie,
        sip: address,
        poller,
        fired: AtomicBool::new(false),
    });
    request.recorded.borrow_mut().push(selfd.clone());
    let mut waiters = Dev::of(td.kernel()).waiters.0.lock();
    waiters.entry(address).or_default().push(selfd);
    sip.si_mtx.store(without_provenance_mut(SOMEBODY), SeqCst);
    sip.tdlist_first
        .store(without_provenance_mut(SOMEBODY), SeqCst);
    Ok(())
}

/// `selwakeup`, `seldrain`: wakes the waiters on `sip`, and removes them from it.
pub fn wakeup(kern: &Kern, sip: &Selinfo) {
    if sip.si_mtx.load(Relaxed).is_null() || sip.tdlist_first.load(SeqCst).is_null() {
        return;
    }
    let woken = {
        let mut waiters = Dev::of(kern).waiters.0.lock();
        sip.tdlist_first.store(null_mut(), SeqCst);
        waiters
            .remove(&std::ptr::from_ref(sip).addr())
            .unwrap_or_default()
    };
    for selfd in woken {
        selfd.fired.store(true, SeqCst);
        selfd.poller.wake(kern);
    }
}

impl Waiters {
    /// `seltdclear`: removes these records from their selinfos.
    pub fn forget(&self, selfds: &[Arc<Selfd>]) {
        sync::switch("seltdclear");
        let mut waiters = self.0.lock();
        for selfd in selfds.iter().filter(|selfd| !selfd.fired.load(SeqCst)) {
            let Some(list) = waiters.get_mut(&selfd.sip) else {
                continue;
            };
            list.retain(|other| !Arc::ptr_eq(other, selfd));
            if list.is_empty() {
                waiters.remove(&selfd.sip);
                // SAFETY: a selinfo exists while it is listed. Its memory is not freed, and its
                // module is not unloaded.
                let sip = unsafe { &*(selfd.sip as *const Selinfo) };
                sip.tdlist_first.store(null_mut(), SeqCst);
            }
        }
    }

    /// Whether there are waiters on a selinfo at these addresses.
    pub fn any(&self, within: impl Fn(usize) -> bool) -> bool {
        self.0.lock().keys().any(|&sip| within(sip))
    }
}
