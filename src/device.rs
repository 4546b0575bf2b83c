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

/// A second, `<sys/time.h>`.
const SBT_1S: sys::sbintime_t = 1 << 32;

/// How long unloading waits for kevent(2) waiters to collect their last event. One that never calls it again must not hold
/// unloading up.
const TOLD_TIMEOUT: sys::sbintime_t = SBT_1S / 10;

/// The device: what `si_drv1` and `kn_hook` point to.
pub type Softc = Monitor<State>;

/// The state of the device, under its lock.
pub struct State {
    fifo: Fifo<KBytes>,
    /// The largest capacity that ECHODEV_SBUFSIZE may set; constant.
    maxsize: usize,
    /// Descriptors that are open for writing and were not revoked.
    writers: u32,
    /// Writers that have not been closed, the revoked ones included. The unsafe code of entry.rs relies on it: while there
    /// is one, the device stays.
    tokens: usize,
    /// The number of revocations. A writer from before one no longer counts, and who slept through one may not go on.
    revokecnt: usize,
    /// The device is going away: nobody may wait for anything any more.
    dying: bool,
}

/// What a counted writer keeps for [`Softc::uncount`]: the number of revocations when it was opened. A plain number, so that
/// an open file can keep it without memory of its own.
#[derive(Clone, Copy)]
pub struct Token(usize);

impl From<Token> for usize {
    fn from(token: Token) -> Self {
        token.0
    }
}

impl From<usize> for Token {
    fn from(number: usize) -> Self {
        Self(number)
    }
}

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
    Monitor::new(c"echo", State { fifo, maxsize, writers: 0, tokens: 0, revokecnt: 0, dying: false })
}

fn limited((name, default): (&CStr, usize), limit: usize) -> usize {
    let value = tunable::fetch(name, default.min(limit));
    if value > limit {
        tunable::warn_limited(name, value, limit);
    }
    if cfg!(mutant = "limits-are-ignored") { value } else { value.min(limit) }
}

impl Softc {
    /// open(2). With FWRITE, counts a writer, to be uncounted once by [`Softc::uncount`]. ENXIO while the device is going
    /// away, EBUSY at `UINT_MAX` writers. Takes the lock.
    pub fn open(&self, fflag: c_int) -> Result<Option<Token>> {
        if fflag & sys::FWRITE == 0 {
            return if self.slock().dying { Err(Errno::ENXIO) } else { Ok(None) };
        }
        let mut state = self.xlock();
        if state.dying {
            return Err(Errno::ENXIO);
        }
        let counts = if cfg!(mutant = "writer-counts-twice") { 2 } else { 1 };
        state.writers = state.writers.checked_add(counts).ok_or(Errno::EBUSY)?;
        state.tokens += 1;
        Ok(Some(Token(state.revokecnt)))
    }

    /// The last close of a descriptor (D_TRACKCLOSE), or a forced one, by revoke(2) or a forced unmount, which comes once for
    /// all descriptors of one devfs mount, without their flags. Takes the lock.
    pub fn close(&self, fflag: c_int) {
        if fflag & sys::FWRITE != 0 {
            cdev::clear_priv();
        } else if fflag & sys::FREVOKE != 0 && fflag & sys::FREAD == 0 {
            self.revoke();
        }
    }

    /// No writer counts any longer, and whoever sleeps is sent back to the system call, which finds out whether its descriptor
    /// is dead. Takes the lock.
    #[cold]
    fn revoke(&self) {
        let mut state = self.xlock();
        state.revokecnt += 1;
        if !cfg!(mutant = "revoked-writers-count") {
            state.writers = 0;
        }
        state.wake_all(Side::Read);
        state.wake_all(Side::Write);
    }

    /// Uncounts a writer, unless it was revoked; readers are told when the last one goes. Takes the lock.
    pub fn uncount(&self, token: Token) {
        let mut state = self.xlock();
        if token.0 == state.revokecnt {
            // This token is one of those that were counted.
            state.writers -= 1;
            if state.writers == 0 {
                state.wake_all(Side::Read);
            }
        }
        state.tokens -= 1;
        if state.dying && state.tokens == 0 {
            state.wake_drain();
        }
    }

    /// read(2): waits until there is a byte, or no writer; moves what there is. ENXIO, EWOULDBLOCK, EINTR, ERESTART instead
    /// of waiting; EFAULT, with nothing consumed. Takes the lock exclusively.
    pub fn read(&self, uio: &mut ReadUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let mut state = self.xlock();
        let result = read_some(&mut state, uio, nonblock);
        // New bytes wake one reader only: whoever leaves some behind, for whatever reason, wakes the next.
        if !state.fifo.is_empty() && !cfg!(mutant = "reader-wakes-no-next") {
            state.wake_one(Side::Read);
        }
        result
    }

    /// write(2): moves bytes as there is room, until all are moved. ENXIO, EWOULDBLOCK, EINTR, ERESTART instead of waiting
    /// for room; EFAULT, with nothing appended of the move that failed. Takes the lock exclusively.
    pub fn write(&self, uio: &mut WriteUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let mut state = self.xlock();
        let result = write_all(&mut state, uio, nonblock);
        // As for readers.
        if !state.fifo.is_full() && !cfg!(mutant = "writer-wakes-no-next") {
            state.wake_one(Side::Write);
        }
        result
    }

    /// ioctl(2). EPERM for a change without FWRITE; see the requests for their own errors. Takes the lock.
    pub fn ioctl(&self, request: Request<'_>, fflag: c_int) -> Result {
        let writable = fflag & sys::FWRITE != 0;
        match request {
            Request::GetBufSize(len) => *len = self.slock().fifo.len(),
            Request::SetBufSize(_) | Request::Clear if !writable => return Err(Errno::EPERM),
            Request::SetBufSize(len) => self.resize(len)?,
            Request::Clear => {
                let mut state = self.xlock();
                let was_full = state.fifo.is_full();
                state.fifo.clear();
                if !cfg!(mutant = "clear-wakes-nobody") {
                    state.made_room(was_full);
                }
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
        let was_full = state.fifo.is_full();
        let unused = state.fifo.replace(storage);
        if unused.is_ok() && len > old_len && !cfg!(mutant = "growing-wakes-nobody") {
            state.made_room(was_full);
        }
        drop(state);
        let free = if cfg!(mutant = "buffer-leaks") { core::mem::forget } else { drop::<KBytes> };
        unused.map(free).map_err(|_| Errno::EBUSY)
    }

    /// poll(2): the events of `events` that are there now, and POLLHUP. Else the thread is recorded on each side that is
    /// asked for. Takes the lock shared.
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
            if (events & READ != 0 || events & WRITE == 0) && !cfg!(mutant = "poll-forgets-selrecord") {
                state.record(Side::Read, poll);
            }
            if events & WRITE != 0 {
                state.record(Side::Write, poll);
            }
        }
        revents
    }

    /// The state, locked exclusively, for a knote to be attached. ENXIO while the device is going away.
    pub fn attachable(&self) -> Result<Exclusive<'_, State>> {
        let state = self.xlock();
        if state.dying { Err(Errno::ENXIO) } else { Ok(state) }
    }

    /// EVFILT_READ: the bytes held; EV_EOF while there is no writer. f_event holds the lock.
    pub fn read_event(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.valid());
        if state.dying {
            hung_up(state, kn, hint);
            return true;
        }
        if state.writers == 0 {
            kn.set_eof();
            return true;
        }
        if !cfg!(mutant = "eof-stays") {
            kn.clear_eof();
        }
        !state.fifo.is_empty()
    }

    /// EVFILT_WRITE: the room left. f_event holds the lock.
    pub fn write_event(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.space());
        if state.dying {
            hung_up(state, kn, hint);
            return true;
        }
        kn.clear_eof();
        !state.fifo.is_full()
    }

    /// The first step of unloading: whoever waits for anything is woken, and finds that the device is going away. Takes the
    /// lock exclusively.
    pub fn hang_up(&self) {
        let mut state = self.xlock();
        if cfg!(mutant = "hangs-up-before-dying") {
            state.hang_up();
            state.dying = true;
            return;
        }
        state.dying = true;
        state.hang_up();
    }

    /// The last step before the device is freed, when no thread is in its methods any more. Takes the lock, and sleeps.
    ///
    /// A close that lost the race with destroy_dev(9) runs its destructor by itself, outside the methods, and destroy_dev does
    /// not wait for it, so all writers are waited for here; the unsafe code of entry.rs relies on that. And kevent(2) waiters
    /// were woken, but have yet to look at their event, which goes with the knotes.
    pub fn drain(&self) {
        let mut state = self.xlock();
        while state.tokens != 0 {
            state = state.sleep_drain(c"echoun");
        }
        if !cfg!(mutant = "knotes-go-at-once") {
            state = state.wait_told(c"echoun", TOLD_TIMEOUT);
        }
        drop(state);
        self.retire();
    }
}

impl Exclusive<'_, State> {
    /// Says that there is room, to one writer if there was none before.
    fn made_room(&mut self, was_full: bool) {
        if was_full && !cfg!(mutant = "room-wakes-nobody") {
            self.wake_one(Side::Write);
        }
        self.notify(Side::Write);
    }
}

/// Waits for bytes, or for the last writer to go, and moves what there is.
fn read_some(state: &mut Exclusive<'_, State>, uio: &mut ReadUio<'_>, nonblock: bool) -> Result {
    while state.fifo.is_empty() && state.writers != 0 {
        wait(state, Side::Read, c"echord", nonblock)?;
    }
    let was_full = state.fifo.is_full();
    let n = uio.resid().min(state.fifo.valid());
    let moved = state.fifo.held(n).into_iter().try_for_each(|piece| uio.uiomove(piece));
    if cfg!(mutant = "efault-drops-bytes") && moved.is_err() {
        state.fifo.consume(n);
    }
    moved?;
    state.fifo.consume(n);
    state.made_room(was_full);
    Ok(())
}

/// Moves bytes as there is room, and waits for room, until all are moved.
fn write_all(state: &mut Exclusive<'_, State>, uio: &mut WriteUio<'_>, nonblock: bool) -> Result {
    while uio.resid() != 0 {
        while state.fifo.is_full() {
            wait(state, Side::Write, c"echowr", nonblock)?;
        }
        let was_empty = state.fifo.is_empty();
        let n = uio.resid().min(state.fifo.space());
        let moved = state.fifo.room(n).into_iter().try_for_each(|piece| uio.uiomove(piece));
        if cfg!(mutant = "efault-loops") && moved.is_err() {
            continue;
        }
        if cfg!(mutant = "efault-adds-bytes") && moved.is_err() {
            state.fifo.append(n);
        }
        moved?;
        if cfg!(mutant = "bytes-are-told-of-too-early") {
            state.wake_all(Side::Read);
            state.fifo.append(n);
            continue;
        }
        state.fifo.append(n);
        if was_empty && !cfg!(mutant = "bytes-wake-nobody") {
            state.wake_one(Side::Read);
        }
        state.notify(Side::Read);
    }
    Ok(())
}

/// Waits for `side`, or says why not: ENXIO, EWOULDBLOCK, EINTR; ERESTART after a signal or a revocation. Out of line: next to
/// a sleep a call costs nothing, and who need not wait is spared the registers.
#[cold]
fn wait(state: &mut Exclusive<'_, State>, side: Side, wmesg: &'static CStr, nonblock: bool) -> Result {
    if state.dying && !cfg!(mutant = "dying-is-not-looked-at") {
        return Err(Errno::ENXIO);
    }
    if nonblock {
        return Err(Errno::EWOULDBLOCK);
    }
    let revokecnt = state.revokecnt;
    state.sleep(side, wmesg)?;
    let revoked = state.revokecnt != revokecnt && !cfg!(mutant = "sleepers-survive-revoke");
    if revoked { Err(Errno::ERESTART) } else { Ok(()) }
}

/// Makes the event say that the device is going away, and notes that a waiter who looks by itself (hint 0) knows.
#[cold]
fn hung_up(state: &mut Held<'_, State>, kn: &mut Knote<'_>, hint: i64) {
    kn.set_eof();
    kn.set_fflags(sys::ENXIO);
    if hint == 0 {
        state.tell(kn);
    }
}

fn clamp(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}
