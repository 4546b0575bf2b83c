//! What `/dev/echo` does.
//!
//! # Locking
//!
//! `softc` is the device, and `state` a guard: the lock is held as long as the guard exists, and
//! [`State`] is reached through it. The lock is released at the end of the block, also if `?`
//! returns an error. Bytes are moved under the exclusive lock, because those of a failed
//! uiomove(9) must stay where they were. Status queries take the lock shared. A sleep releases it.
//! read and write take it interruptibly: while the uiomove(9) of one call hangs in a page fault,
//! another read or write that waits for the lock can be killed. All other calls wait for it.
//!
//! # Wake-ups
//!
//! A change that one thread can use wakes one: the first bytes in an empty buffer, the first room
//! in a full one. The wakeup may precede the change, since the woken thread waits for the lock. A
//! thread that leaves read with bytes in the buffer, for whatever reason, wakes the next reader.
//! One that leaves write with room wakes the next writer. So no wakeup is lost on a thread that
//! was interrupted.
//!
//! # Revocation
//!
//! A forced close does not report its descriptors, so no open writer counts any longer. A writer
//! keeps the number of revocations, and its close after a revocation changes nothing. A thread
//! that would sleep, or has slept, returns ERESTART, as in tty(4). The system call then checks
//! whether its descriptor is dead.

use crate::fifo::Fifo;
use crate::ioctl::*;
use core::sync::atomic::{AtomicUsize, Ordering};
use freebsd_kernel::getenv::getenv_ulong_max;
use freebsd_kernel::malloc::{KBytes, physmem};
use freebsd_kernel::prelude::*;
use freebsd_kernel::uio::MOVE_MAX;

/// Fields that the lock does not protect.
pub struct Echo {
    /// The largest capacity that ECHODEV_SBUFSIZE may set.
    maxsize: usize,
    /// The number of revocations. It changes under the lock.
    revokecnt: AtomicUsize,
}

/// What the lock protects.
pub struct State {
    fifo: Fifo<KBytes>,
    /// Open files with FWRITE that were not revoked.
    writers: u32,
}

impl Driver for Echo {
    const NAME: &'static CStr = c"echo";
    type State = State;
    /// The number of revocations when a writer was opened.
    type Cdevpriv = usize;

    /// ENOMEM if there is not enough memory for a buffer of the size that the tunables set.
    fn load() -> Result<(Self, State)> {
        // A buffer takes at most a quarter of physical memory.
        let limit = MOVE_MAX.min(physmem() / 4);
        let maxsize = getenv_ulong_max(c"hw.echodev.maxsize", 16 << 20, limit);
        let bufsize = getenv_ulong_max(c"hw.echodev.bufsize", 64, maxsize);
        let (revokecnt, fifo) = (AtomicUsize::new(0), Fifo::new(KBytes::zeroed(bufsize)?));
        Ok((Self { maxsize, revokecnt }, State { fifo, writers: 0 }))
    }

    /// Counts a writer, with FWRITE. ENXIO while the device is going away. EBUSY at `UINT_MAX`
    /// writers.
    fn open(softc: &Softc<Self>, fflag: c_int) -> Result<Option<usize>> {
        let mut state = softc.sx_xlock();
        state.check_dying()?;
        if fflag & FWRITE == 0 {
            return Ok(None);
        }
        state.writers = state.writers.checked_add(1).ok_or(Errno::EBUSY)?;
        Ok(Some(softc.revokecnt()))
    }

    /// A writer is gone. The last one wakes readers, which see end of file.
    fn close(state: &mut Exclusive<'_, Echo>, revokecnt: usize) {
        if revokecnt == state.softc().revokecnt() {
            state.writers -= 1;
            if state.writers == 0 {
                state.wakeup_and_notify(Side::Read);
            }
        }
    }

    /// No writer counts any longer, and sleeping threads return to the system call.
    fn revoke(softc: &Softc<Self>) {
        let mut state = softc.sx_xlock();
        softc.revokecnt.fetch_add(1, Ordering::Relaxed);
        state.writers = 0;
        state.wakeup_and_notify(Side::Read);
        state.wakeup_and_notify(Side::Write);
    }

    /// Waits until there is a byte or no writer, and then moves what there is. ENXIO, EWOULDBLOCK,
    /// EINTR or ERESTART instead of waiting. EFAULT, and consumes nothing.
    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, ioflag: c_int) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let revokecnt = softc.revokecnt(); // before a wait for the lock
        let mut state = softc.sx_xlock_sig()?;
        let must_wait = |state: &State| state.fifo.is_empty() && state.writers != 0;
        // Tested here to keep the path without a wait short.
        if must_wait(&state) {
            state = wait(state, Side::Read, c"echord", ioflag, revokecnt, must_wait)?;
        }
        let result = move_out(&mut state, uio);
        if !state.fifo.is_empty() {
            state.wakeup_one(Side::Read);
        }
        result
    }

    /// Moves bytes while there is room, until all are moved. ENXIO, EWOULDBLOCK, EINTR or ERESTART
    /// instead of waiting for room. EFAULT, and appends nothing of the move that failed.
    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, ioflag: c_int) -> Result {
        if uio.resid() == 0 {
            return Ok(());
        }
        let revokecnt = softc.revokecnt();
        let mut state = softc.sx_xlock_sig()?;
        let mut result = Ok(());
        while uio.resid() != 0 && result.is_ok() {
            if state.fifo.is_full() {
                let must_wait = |state: &State| state.fifo.is_full();
                state = wait(state, Side::Write, c"echowr", ioflag, revokecnt, must_wait)?;
            }
            result = move_in(&mut state, uio);
        }
        if !state.fifo.is_full() {
            state.wakeup_one(Side::Write);
        }
        result
    }

    /// EPERM for a change without FWRITE. The requests have their own errors.
    fn ioctl(softc: &Softc<Self>, cmd: u64, data: &mut Data<'_>, fflag: c_int) -> Result {
        match cmd {
            ECHODEV_GBUFSIZE => data.set(softc.sx_slock().fifo.capacity()),
            ECHODEV_GBUFSIZE32 => data.set(u32::try_from(softc.sx_slock().fifo.capacity())?),
            ECHODEV_SBUFSIZE | ECHODEV_SBUFSIZE32 | ECHODEV_CLEAR if fflag & FWRITE == 0 => {
                return Err(Errno::EPERM);
            }
            ECHODEV_SBUFSIZE => resize(softc, data.get())?,
            ECHODEV_SBUFSIZE32 => resize(softc, data.get::<u32>() as usize)?,
            ECHODEV_CLEAR => make_room(&mut softc.sx_xlock(), Fifo::clear),
            FIOASYNC if data.get::<c_int>() != 0 => return Err(Errno::EINVAL),
            FIOASYNC | FIONBIO => {}
            FIONREAD => data.set_count(softc.sx_slock().fifo.len()),
            FIONWRITE => data.set_count(softc.sx_slock().fifo.space()),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(())
    }

    /// Returns the events that are true. If none is, records the thread on each side that is
    /// requested.
    fn poll(softc: &Softc<Self>, events: c_int, poll: &Poll) -> c_int {
        const READ: c_int = POLLIN | POLLRDNORM;
        const WRITE: c_int = POLLOUT | POLLWRNORM;
        let state = softc.sx_slock();
        let mut revents = 0;
        if !state.fifo.is_empty() || state.writers == 0 {
            revents |= events & READ;
        }
        if !state.fifo.is_full() {
            revents |= events & WRITE;
        }
        if state.dying() {
            revents |= POLLHUP;
        }
        if revents == 0 {
            // A thread that requests neither side still waits for POLLHUP.
            if events & READ != 0 || events & WRITE == 0 {
                state.selrecord(Side::Read, poll);
            }
            if events & WRITE != 0 {
                state.selrecord(Side::Write, poll);
            }
        }
        revents
    }

    /// The number of bytes held. EV_EOF while there is no writer.
    fn read_event(state: &Locked<'_, Self>, kn: &mut Knote<'_>) -> bool {
        kn.set_data(state.fifo.len());
        if state.writers == 0 {
            kn.set_eof();
            return true;
        }
        kn.clear_eof();
        !state.fifo.is_empty()
    }

    /// The number of bytes that there is room for.
    fn write_event(state: &Locked<'_, Self>, kn: &mut Knote<'_>) -> bool {
        kn.set_data(state.fifo.space());
        kn.clear_eof();
        !state.fifo.is_full()
    }
}

impl Echo {
    fn revokecnt(&self) -> usize {
        self.revokecnt.load(Ordering::Relaxed)
    }
}

/// Sleeps until `must_wait` is false. If it may not sleep or is interrupted, it returns an error
/// and releases the lock: ENXIO, EWOULDBLOCK, EINTR, ERESTART. Inlined for the guard's register.
#[inline(always)]
fn wait<'a>(
    mut state: Exclusive<'a, Echo>,
    side: Side,
    wmesg: &'static CStr,
    ioflag: c_int,
    revokecnt: usize,
    must_wait: impl Fn(&State) -> bool,
) -> Result<Exclusive<'a, Echo>> {
    let revoked = |state: &Exclusive<'_, Echo>| state.softc().revokecnt() != revokecnt;
    loop {
        if revoked(&state) {
            return Err(Errno::ERESTART);
        }
        state.check_dying()?;
        if ioflag & O_NONBLOCK != 0 {
            return Err(Errno::EWOULDBLOCK);
        }
        state = state.sx_sleep(side, wmesg)?;
        if !revoked(&state) && !must_wait(&state) {
            return Ok(state);
        }
    }
}

/// Moves what there is to a reader.
fn move_out(state: &mut Exclusive<'_, Echo>, uio: &mut ReadUio<'_>) -> Result {
    let n = uio.resid().min(state.fifo.len());
    for piece in state.fifo.peek(n) {
        uio.uiomove(piece)?;
    }
    make_room(state, |fifo| fifo.consume(n));
    Ok(())
}

/// Moves as much as there is room for from a writer.
fn move_in(state: &mut Exclusive<'_, Echo>, uio: &mut WriteUio<'_>) -> Result {
    let n = uio.resid().min(state.fifo.space());
    for piece in state.fifo.room(n) {
        uio.uiomove(piece)?;
    }
    if state.fifo.is_empty() {
        state.wakeup_one(Side::Read);
    }
    state.fifo.append(n);
    state.notify(Side::Read);
    Ok(())
}

/// Makes a change that makes room. Wakes up one writer if there was none before.
#[inline(always)]
fn make_room<R>(state: &mut Exclusive<'_, Echo>, change: impl FnOnce(&mut Fifo<KBytes>) -> R) -> R {
    if state.fifo.is_full() {
        state.wakeup_one(Side::Write);
    }
    let result = change(&mut state.fifo);
    state.notify(Side::Write);
    result
}

/// Sets the capacity. The bytes held stay, in order. EINVAL above the limit, EBUSY below the bytes
/// held, ENOMEM if there is not enough memory.
fn resize(softc: &Softc<Echo>, capacity: usize) -> Result {
    if capacity > softc.maxsize {
        return Err(Errno::EINVAL);
    }
    // To allocate and zero memory takes time, and so does freeing it. Neither is done under the
    // lock, and only under the lock is it known whether the memory is needed.
    let storage = KBytes::zeroed(capacity);
    let mut state = softc.sx_xlock();
    let before = state.fifo.capacity();
    if capacity == before {
        return Ok(());
    }
    if capacity < state.fifo.len() {
        return Err(Errno::EBUSY);
    }
    let storage = storage?;
    let old = if capacity > before {
        make_room(&mut state, |fifo| fifo.replace(storage))
    } else {
        state.fifo.replace(storage)
    };
    drop(state);
    // The old buffer is freed without the lock. It did fit, so there is no error.
    old.map(drop).map_err(|_| Errno::EBUSY)
}
