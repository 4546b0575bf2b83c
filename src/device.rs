//! What `/dev/echo` does: every decision of the driver, in safe code.
//!
//! Locking: all state is under the monitor's sx lock. Bytes move, and everything else changes, under the exclusive lock;
//! status queries take it shared. The lock is given up only while a read waits for bytes or a write for room, so both
//! look at everything anew after a sleep.

use crate::fifo::Fifo;
use crate::kpi::cdev;
use crate::kpi::errno::{Errno, Result};
use crate::kpi::knote::Knote;
use crate::kpi::malloc::{KBox, KBytes};
use crate::kpi::monitor::{Exclusive, Held, Monitor, Poll, Side};
use crate::kpi::tunable;
use crate::kpi::uio::{MOVE_MAX, ReadUio, WriteUio};
use core::ffi::{CStr, c_int};
use freebsd_kernel_sys as sys;

const BUFSIZE: (&CStr, usize) = (c"hw.echodev.bufsize", 64);
const MAXSIZE: (&CStr, usize) = (c"hw.echodev.maxsize", 16 << 20);

/// How long unloading waits for kevent(2) waiters to collect their last event: a tenth of a second.
const TOLD_TIMEOUT: sys::sbintime_t = (1 << 32) / 10;

/// The device: what `si_drv1` and `kn_hook` point to.
pub type Softc = Monitor<State>;

/// The state of the device, under its lock.
pub struct State {
    fifo: Fifo<KBytes>,
    /// The largest capacity that ECHODEV_SBUFSIZE may set; constant.
    maxsize: usize,
    /// Descriptors that are open for writing and were not revoked.
    writers: u32,
    /// Writers that have not been closed, the revoked ones included.
    tokens: usize,
    /// The number of revocations; a writer of an earlier one no longer counts.
    epoch: u32,
    /// The device is going away: nobody may wait for anything any more.
    dying: bool,
}

/// When a writer was opened: what [`Softc::uncount`] needs to know of it.
#[derive(Clone, Copy)]
pub struct Epoch(u32);

/// A decoded ioctl(2) request.
pub enum Request<'a> {
    /// ECHODEV_GBUFSIZE.
    GetBufSize(&'a mut usize),
    /// ECHODEV_SBUFSIZE.
    SetBufSize(usize),
    /// ECHODEV_CLEAR.
    Clear,
    /// FIONBIO.
    NonBlock,
    /// FIOASYNC.
    Async(c_int),
    /// FIONREAD.
    Readable(&'a mut c_int),
    /// FIONWRITE.
    Writable(&'a mut c_int),
}

/// A new device, empty, of the size that the tunables ask for.
pub fn new() -> KBox<Softc> {
    let maxsize = limited(MAXSIZE, MOVE_MAX);
    let fifo = Fifo::new(KBytes::zeroed(limited(BUFSIZE, maxsize)));
    Monitor::new(c"echo", State { fifo, maxsize, writers: 0, tokens: 0, epoch: 0, dying: false })
}

fn limited((name, default): (&CStr, usize), limit: usize) -> usize {
    let value = tunable::fetch(name, default);
    if value > limit {
        tunable::warn_limited(name, value, limit);
    }
    value.min(limit)
}

impl Softc {
    /// open(2). With FWRITE, counts a writer, to be uncounted once by [`Softc::uncount`]. ENXIO while the device is going
    /// away, EBUSY at `UINT_MAX` writers.
    pub fn open(&self, fflag: c_int) -> Result<Option<Epoch>> {
        if fflag & sys::FWRITE == 0 {
            return if self.slock().dying { Err(Errno::ENXIO) } else { Ok(None) };
        }
        let mut state = self.xlock();
        if state.dying {
            return Err(Errno::ENXIO);
        }
        state.writers = state.writers.checked_add(1).ok_or(Errno::EBUSY)?;
        state.tokens += 1;
        Ok(Some(Epoch(state.epoch)))
    }

    /// The last close of a descriptor (D_TRACKCLOSE). A forced one (FREVOKE, by revoke(2) or a forced unmount) comes
    /// without the descriptor and its flags: it ends the writing of all.
    pub fn close(&self, fflag: c_int) {
        if fflag & sys::FREVOKE != 0 {
            let mut state = self.xlock();
            state.epoch = state.epoch.wrapping_add(1);
            set_writers(&mut state, 0);
        } else if fflag & sys::FWRITE != 0 {
            cdev::clear_priv();
        }
    }

    /// Uncounts a writer, unless it was revoked.
    pub fn uncount(&self, epoch: Epoch) {
        let mut state = self.xlock();
        if epoch.0 == state.epoch {
            let writers = state.writers.saturating_sub(1);
            set_writers(&mut state, writers);
        }
        state.tokens -= 1;
        if state.dying && state.tokens == 0 {
            state.wake_drain();
        }
    }

    /// read(2): waits until there is a byte, or no writer; moves what there is. ENXIO, EWOULDBLOCK, EINTR, ERESTART instead
    /// of waiting; EFAULT, with nothing consumed.
    pub fn read(&self, uio: &mut ReadUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let mut state = self.xlock();
        while state.fifo.is_empty() && state.writers != 0 {
            state = wait(state, Side::Read, c"echord", nonblock)?;
        }
        let n = uio.resid().min(state.fifo.valid());
        for piece in state.fifo.held(n) {
            uio.uiomove(piece)?;
        }
        state.fifo.consume(n);
        state.signal(Side::Write);
        Ok(())
    }

    /// write(2): moves bytes as there is room, until all are moved. ENXIO, EWOULDBLOCK, EINTR, ERESTART instead of waiting
    /// for room; EFAULT, with nothing appended of the move that failed.
    pub fn write(&self, uio: &mut WriteUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let mut state = self.xlock();
        while uio.resid() != 0 {
            while state.fifo.is_full() {
                state = wait(state, Side::Write, c"echowr", nonblock)?;
            }
            let n = uio.resid().min(state.fifo.space());
            for piece in state.fifo.room(n) {
                uio.uiomove(piece)?;
            }
            state.fifo.append(n);
            state.signal(Side::Read);
        }
        Ok(())
    }

    /// ioctl(2). EPERM for a change without FWRITE; see the requests for their own errors.
    pub fn ioctl(&self, request: Request<'_>, fflag: c_int) -> Result {
        let writable = fflag & sys::FWRITE != 0;
        match request {
            Request::GetBufSize(len) => *len = self.slock().fifo.len(),
            Request::SetBufSize(_) | Request::Clear if !writable => return Err(Errno::EPERM),
            Request::SetBufSize(len) => self.resize(len)?,
            Request::Clear => {
                let mut state = self.xlock();
                state.fifo.clear();
                state.signal(Side::Write);
            }
            Request::NonBlock => {}
            Request::Async(on) if on != 0 => return Err(Errno::EINVAL),
            Request::Async(_) => {}
            Request::Readable(count) => *count = clamp(self.slock().fifo.valid()),
            Request::Writable(count) => *count = clamp(self.slock().fifo.space()),
        }
        Ok(())
    }

    /// Sets the capacity; the bytes held stay, in order. EINVAL above the limit, EBUSY below the bytes held.
    fn resize(&self, len: usize) -> Result {
        if len > self.slock().maxsize {
            return Err(Errno::EINVAL);
        }
        // The allocation may sleep and zeroes the memory: neither under the lock, nor is the old one freed there.
        let storage = KBytes::zeroed(len);
        let mut state = self.xlock();
        let old_len = state.fifo.len();
        if len == old_len {
            return Ok(());
        }
        let unused = state.fifo.replace(storage);
        if unused.is_ok() && len > old_len {
            state.signal(Side::Write);
        }
        drop(state);
        unused.map(drop).map_err(|_| Errno::EBUSY)
    }

    /// poll(2): the events of `events` that are there now, and POLLHUP. Else the thread is recorded on each side that is
    /// asked for.
    pub fn poll(&self, events: c_int, poll: &Poll) -> c_int {
        const READ: c_int = sys::POLLIN | sys::POLLRDNORM;
        const WRITE: c_int = sys::POLLOUT | sys::POLLWRNORM;
        let state = self.slock();
        let mut revents = 0;
        if !state.fifo.is_empty() || state.writers == 0 {
            revents |= events & READ;
        }
        if !state.fifo.is_full() {
            revents |= events & WRITE;
        }
        if state.dying {
            revents |= sys::POLLHUP;
        }
        if revents == 0 {
            // Who asks for neither still waits for POLLHUP.
            if events & READ != 0 || events & WRITE == 0 {
                state.record(Side::Read, poll);
            }
            if events & WRITE != 0 {
                state.record(Side::Write, poll);
            }
        }
        revents
    }

    /// The state, locked, for a knote to be attached. ENXIO while the device is going away.
    pub fn attachable(&self) -> Result<Exclusive<'_, State>> {
        let state = self.xlock();
        if state.dying { Err(Errno::ENXIO) } else { Ok(state) }
    }

    /// EVFILT_READ: the bytes held; EV_EOF while there is no writer.
    pub fn read_event(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.valid());
        kn.set_eof(state.writers == 0);
        hung_up(state, kn, hint) || state.writers == 0 || !state.fifo.is_empty()
    }

    /// EVFILT_WRITE: the room left.
    pub fn write_event(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.space());
        hung_up(state, kn, hint) || !state.fifo.is_full()
    }

    /// The first step of unloading: whoever waits for anything is woken, and finds that the device is going away.
    pub fn hang_up(&self) {
        let mut state = self.xlock();
        state.dying = true;
        state.hang_up();
    }

    /// The last step before the device is freed, when no thread is in its methods any more.
    ///
    /// A close that lost the race with destroy_dev(9) runs its destructor by itself, outside the methods: it is waited for.
    /// And kevent(2) waiters were woken, but have yet to look at their event, which goes with the knotes.
    pub fn drain(&self) {
        let mut state = self.xlock();
        while state.tokens != 0 {
            state = state.sleep_drain(c"echoun");
        }
        drop(state.wait_told(c"echoun", TOLD_TIMEOUT));
        self.retire();
    }
}

/// Waits for `side`, or says why not: ENXIO, EWOULDBLOCK, EINTR, ERESTART.
fn wait<'a>(
    state: Exclusive<'a, State>,
    side: Side,
    wmesg: &'static CStr,
    nonblock: bool,
) -> Result<Exclusive<'a, State>> {
    if state.dying {
        return Err(Errno::ENXIO);
    }
    if nonblock {
        return Err(Errno::EWOULDBLOCK);
    }
    let (state, result) = state.sleep(side, wmesg);
    result.map(|()| state)
}

/// Sets the number of writers; readers are told when the last one goes.
fn set_writers(state: &mut Exclusive<'_, State>, writers: u32) {
    if core::mem::replace(&mut state.writers, writers) != 0 && writers == 0 {
        state.signal(Side::Read);
    }
}

/// If the device is going away, makes the event say so, and notes that a waiter who looks by itself (hint 0) knows.
fn hung_up(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) -> bool {
    if state.dying {
        kn.set_eof(true);
        kn.set_fflags(sys::ENXIO);
        if hint == 0 {
            state.tell(kn);
        }
    }
    state.dying
}

fn clamp(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}
