//! What `/dev/echo` does: every decision of the driver, in safe code.
//!
//! Locking: all state is under the monitor's sx lock. Bytes move, and everything else changes,
//! under the exclusive lock; status queries take it shared. The lock is given up only while a read
//! waits for bytes or a write for room, so both look at everything anew after a sleep. read and
//! write take it interruptibly: while the uiomove(9) of one call hangs in a page fault, the process
//! of another that waits for the lock can be killed.

use crate::fifo::Fifo;
use crate::kpi::cdev;
use crate::kpi::errno::{Errno, Result};
use crate::kpi::knote::Knote;
use crate::kpi::malloc::{KBox, KBytes, physmem};
use crate::kpi::monitor::{self, Monitor, Poll, Side};
use crate::kpi::tunable;
use crate::kpi::uio::{MOVE_MAX, ReadUio, WriteUio};
use core::ffi::{CStr, c_int};
use core::sync::atomic::{AtomicUsize, Ordering};
use freebsd_kernel_sys as sys;

const BUFSIZE: (&CStr, usize) = (c"hw.echodev.bufsize", 64);
const MAXSIZE: (&CStr, usize) = (c"hw.echodev.maxsize", 16 << 20);

/// The largest part of physical memory that one buffer may take: a quarter.
const MEMORY_SHARE: usize = 4;

/// The device: what `si_drv1` and `kn_hook` point to.
pub type Softc = Monitor<State, Common>;

type Exclusive<'a> = monitor::Exclusive<'a, State, Common>;
type Held<'a> = monitor::Held<'a, State, Common>;

/// What needs no lock.
pub struct Common {
    /// The largest capacity that ECHODEV_SBUFSIZE may set.
    maxsize: usize,
    /// The number of revocations. A writer from before one no longer counts, and a call from before
    /// one may not sleep. It changes under the lock.
    revokecnt: AtomicUsize,
}

impl Common {
    /// The number of revocations so far.
    fn revokecnt(&self) -> usize {
        self.revokecnt.load(Ordering::Relaxed)
    }
}

/// The state of the device, under its lock.
pub struct State {
    fifo: Fifo<KBytes>,
    /// Descriptors that are open for writing and were not revoked.
    writers: u32,
    /// Writers that have not been closed, the revoked ones included. The unsafe code of entry.rs
    /// relies on it: while there is one, the device stays.
    tokens: usize,
    /// The device is going away: no thread may wait for anything any more.
    dying: bool,
}

/// What a counted writer keeps for [`Softc::uncount`]: the number of revocations when it was
/// opened. A plain number, so that an open file can keep it without memory of its own.
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
    /// ECHODEV_GBUFSIZE of a 32-bit program.
    GetBufSize32(&'a mut u32),
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

/// A new device, empty, of the size that the tunables ask for. ENOMEM if there is not enough memory
/// for that.
pub fn new() -> Result<KBox<Softc>> {
    let maxsize = limited(MAXSIZE, MOVE_MAX.min(physmem() / MEMORY_SHARE));
    let fifo = Fifo::new(KBytes::zeroed(limited(BUFSIZE, maxsize))?);
    let state = State {
        fifo,
        writers: 0,
        tokens: 0,
        dying: false,
    };
    Ok(Monitor::new(
        c"echo",
        state,
        Common {
            maxsize,
            revokecnt: AtomicUsize::new(0),
        },
    ))
}

fn limited((name, default): (&CStr, usize), limit: usize) -> usize {
    let value = tunable::fetch(name, default.min(limit));
    if value > limit {
        tunable::warn_limited(name, value, limit);
    }
    value.min(limit)
}

impl Softc {
    /// open(2). With FWRITE, counts a writer, to be uncounted once by [`Softc::uncount`]. ENXIO
    /// while the device is going away, EBUSY at `UINT_MAX` writers. Takes the lock.
    pub fn open(&self, fflag: c_int) -> Result<Option<Token>> {
        if fflag & sys::FWRITE == 0 {
            return if self.slock().dying {
                Err(Errno::ENXIO)
            } else {
                Ok(None)
            };
        }
        let mut state = self.xlock();
        if state.dying {
            return Err(Errno::ENXIO);
        }
        state.writers = state.writers.checked_add(1).ok_or(Errno::EBUSY)?;
        state.tokens += 1;
        Ok(Some(Token(self.common.revokecnt())))
    }

    /// The last close of a descriptor (D_TRACKCLOSE), or a forced one, by revoke(2) or a forced
    /// unmount, which comes once for all descriptors of one devfs mount, without their flags. Takes
    /// the lock.
    pub fn close(&self, fflag: c_int) {
        if fflag & sys::FWRITE != 0 {
            cdev::clear_priv();
        } else if fflag & sys::FREVOKE != 0 && fflag & sys::FREAD == 0 {
            self.revoke();
        }
    }

    /// No writer counts any longer, and whoever sleeps is sent back to the system call, which finds
    /// out whether its descriptor is dead. Takes the lock.
    #[cold]
    fn revoke(&self) {
        let mut state = self.xlock();
        self.common.revokecnt.fetch_add(1, Ordering::Relaxed);
        state.writers = 0;
        state.wake_all(Side::Read);
        state.wake_all(Side::Write);
    }

    /// Uncounts a writer, unless it was revoked, and wakes up readers when the last one goes. Takes
    /// the lock. Unloading waits for it, so the function of the module that calls it must end with
    /// this call.
    pub fn uncount(&self, token: Token) {
        let mut state = self.xlock();
        if token.0 == self.common.revokecnt() {
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
        state.leave();
    }

    /// read(2): waits until there is a byte, or no writer; moves what there is. ENXIO, EWOULDBLOCK,
    /// EINTR, ERESTART instead of waiting; EFAULT, with nothing consumed. Takes the lock
    /// exclusively.
    pub fn read(&self, uio: &mut ReadUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let revokecnt = self.common.revokecnt();
        let mut state = self.xlock_sig()?;
        let must_wait = |state: &State| state.fifo.is_empty() && state.writers != 0;
        // The loop is not for a read that need not wait, which is spared its registers.
        if must_wait(&state) {
            state = wait(state, Side::Read, c"echord", nonblock, revokecnt, must_wait)?;
        }
        let result = move_out(&mut state, uio);
        // New bytes wake one reader only: the one that leaves some behind, for whatever reason,
        // wakes the next.
        if !state.fifo.is_empty() {
            state.wake_one(Side::Read);
        }
        result
    }

    /// write(2): moves bytes as there is room, until all are moved. ENXIO, EWOULDBLOCK, EINTR,
    /// ERESTART instead of waiting for room; EFAULT, with nothing appended of the move that failed.
    /// Takes the lock exclusively.
    pub fn write(&self, uio: &mut WriteUio<'_>, nonblock: bool) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let revokecnt = self.common.revokecnt();
        let mut state = self.xlock_sig()?;
        let mut result = Ok(());
        while uio.resid() != 0 && result.is_ok() {
            if state.fifo.is_full() {
                let must_wait = |state: &State| state.fifo.is_full();
                state = wait(
                    state,
                    Side::Write,
                    c"echowr",
                    nonblock,
                    revokecnt,
                    must_wait,
                )?;
            }
            result = move_in(&mut state, uio);
        }
        // As for readers.
        if state.has_sleepers(Side::Write) && !state.fifo.is_full() {
            state.wake_one(Side::Write);
        }
        result
    }

    /// ioctl(2). EPERM for a change without FWRITE; see the requests for their own errors. Takes
    /// the lock.
    pub fn ioctl(&self, request: Request<'_>, fflag: c_int) -> Result {
        let writable = fflag & sys::FWRITE != 0;
        match request {
            Request::GetBufSize(len) => *len = self.slock().fifo.len(),
            Request::GetBufSize32(len) => {
                *len = u32::try_from(self.slock().fifo.len()).map_err(|_| Errno::EOVERFLOW)?;
            }
            Request::SetBufSize(_) | Request::Clear if !writable => return Err(Errno::EPERM),
            Request::SetBufSize(len) => self.resize(len)?,
            Request::Clear => self.xlock().make_room(Fifo::clear),
            Request::NonBlock => {}
            Request::Async(on) if on != 0 => return Err(Errno::EINVAL),
            Request::Async(_) => {}
            Request::Readable(count) => *count = clamp(self.slock().fifo.valid()),
            Request::Writable(count) => *count = clamp(self.slock().fifo.space()),
        }
        Ok(())
    }

    /// Sets the capacity; the bytes held stay, in order. EINVAL above the limit, EBUSY below the
    /// bytes held, ENOMEM if there is not enough memory.
    fn resize(&self, len: usize) -> Result {
        if len > self.common.maxsize {
            return Err(Errno::EINVAL);
        }
        // The allocation zeroes the memory, which takes its time. So it is not made under the lock,
        // nor is the old one freed there; and whether it was needed shows only then.
        let storage = KBytes::zeroed(len);
        let mut state = self.xlock();
        let old_len = state.fifo.len();
        if len == old_len {
            return Ok(());
        }
        if len < state.fifo.valid() {
            return Err(Errno::EBUSY);
        }
        let storage = storage?;
        let replaced = if len > old_len {
            state.make_room(|fifo| fifo.replace(storage))
        } else {
            state.fifo.replace(storage)
        };
        let old = replaced.map_err(|_| Errno::EBUSY)?;
        drop(state);
        drop(old);
        Ok(())
    }

    /// poll(2): the events of `events` that are there now, and POLLHUP. Else the thread is recorded
    /// on each side that is asked for. Takes the lock shared.
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

    /// The state, locked exclusively, for a knote to be attached. ENXIO while the device is going
    /// away.
    pub fn attachable(&self) -> Result<Exclusive<'_>> {
        let state = self.xlock();
        if state.dying {
            Err(Errno::ENXIO)
        } else {
            Ok(state)
        }
    }

    /// EVFILT_READ: the bytes held; EV_EOF while there is no writer. f_event holds the lock.
    pub fn read_event(state: &mut Held<'_>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.valid());
        if state.dying {
            return hung_up(kn, hint);
        }
        if state.writers == 0 {
            kn.set_eof();
            return true;
        }
        kn.clear_eof();
        !state.fifo.is_empty()
    }

    /// EVFILT_WRITE: the room left. f_event holds the lock.
    pub fn write_event(state: &mut Held<'_>, kn: &mut Knote<'_>, hint: i64) -> bool {
        kn.set_data(state.fifo.space());
        if state.dying {
            return hung_up(kn, hint);
        }
        kn.clear_eof();
        !state.fifo.is_full()
    }

    /// The first step of unloading: every thread that waits for anything is woken up, and finds
    /// that the device is going away. Takes the lock exclusively.
    pub fn hang_up(&self) {
        let mut state = self.xlock();
        state.dying = true;
        state.wake_all(Side::Read);
        state.wake_all(Side::Write);
    }

    /// The last step before the device is freed, when no thread is in its methods any more. Takes
    /// the lock, and sleeps if there is something to wait for.
    ///
    /// A close that lost the race with destroy_dev(9) runs its destructor by itself, outside the
    /// methods. destroy_dev does not wait for it, so all writers are waited for here; the unsafe
    /// code of entry.rs relies on that. And kevent(2) waiters were woken up, but have yet to
    /// collect their event, which goes with the knotes.
    pub fn drain(&self) {
        let mut state = self.xlock();
        while state.tokens != 0 {
            state.sleep_drain(c"echoun");
        }
        state.wait_collected(c"echoun");
        drop(state);
        self.retire();
    }
}

impl Exclusive<'_> {
    /// Makes a change that makes room. Wakes up one writer if there was none before, and notifies
    /// the others. The writer is woken first, which spares the state before; it sees the room,
    /// since the lock is held.
    #[inline(always)]
    fn make_room<R>(&mut self, change: impl FnOnce(&mut Fifo<KBytes>) -> R) -> R {
        if self.fifo.is_full() {
            self.wake_one(Side::Write);
        }
        let result = change(&mut self.fifo);
        self.notify(Side::Write);
        result
    }
}

/// Moves what there is to a reader.
fn move_out(state: &mut Exclusive<'_>, uio: &mut ReadUio<'_>) -> Result {
    let n = uio.resid().min(state.fifo.valid());
    state
        .fifo
        .held(n)
        .into_iter()
        .try_for_each(|piece| uio.uiomove(piece))?;
    state.make_room(|fifo| fifo.consume(n));
    Ok(())
}

/// Moves as much as there is room for from a writer.
fn move_in(state: &mut Exclusive<'_>, uio: &mut WriteUio<'_>) -> Result {
    let n = uio.resid().min(state.fifo.space());
    state
        .fifo
        .room(n)
        .into_iter()
        .try_for_each(|piece| uio.uiomove(piece))?;
    if state.fifo.is_empty() {
        // It sees the bytes, since the lock is held.
        state.wake_one(Side::Read);
    }
    state.fifo.append(n);
    state.notify(Side::Read);
    Ok(())
}

/// Waits for `side` until it need not wait any more, or returns the reason why it does not wait,
/// with the lock released: ENXIO, EWOULDBLOCK, EINTR; ERESTART after a signal, or after a
/// revocation since `revokecnt` was read. Inlined, so that the guard stays in a register.
#[inline(always)]
fn wait<'a>(
    mut state: Exclusive<'a>,
    side: Side,
    wmesg: &'static CStr,
    nonblock: bool,
    revokecnt: usize,
    must_wait: impl Fn(&State) -> bool,
) -> Result<Exclusive<'a>> {
    let revoked = |state: &Exclusive<'_>| state.common().revokecnt() != revokecnt;
    if revoked(&state) {
        return Err(Errno::ERESTART);
    }
    loop {
        if state.dying {
            return Err(Errno::ENXIO);
        }
        if nonblock {
            return Err(Errno::EWOULDBLOCK);
        }
        state = state.sleep(side, wmesg)?;
        if revoked(&state) {
            // This thread may be the one that a change has woken up.
            state.wake_one(side);
            return Err(Errno::ERESTART);
        }
        if !must_wait(&state) {
            return Ok(state);
        }
    }
}

/// Makes the event report that the device is going away, and returns whether it is to be reported.
/// A KNOTE for knotes that have missed one leaves the others alone.
#[cold]
fn hung_up(kn: &mut Knote<'_>, hint: i64) -> bool {
    if !kn.note_last() && hint != 0 {
        return false;
    }
    kn.set_eof();
    kn.set_fflags(sys::ENXIO);
    true
}

fn clamp(count: usize) -> c_int {
    c_int::try_from(count).unwrap_or(c_int::MAX)
}
