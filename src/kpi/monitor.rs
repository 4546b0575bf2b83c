//! State under an sx(9) lock, with two sides that threads can wait for: by sleep(9), by poll(2), by kevent(2).
//!
//! Lock order: the caller's file descriptor table, then this lock, then the kernel's own behind it (sleep queues, select,
//! kqueues; vnodes and memory maps, for a page fault in uiomove(9) or a file that goes with its knote). Whoever waits for the
//! lock waits for such a fault, too.

use super::errno::{Result, from_c};
use super::knote::{HINT, Knote};
use super::malloc::KBox;
use core::cell::{Cell, UnsafeCell};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn echodev_knlist_init(knl: *mut sys::knlist, sx: *mut sys::sx);
    fn echodev_sleep(chan: *mut c_void, sx: *mut sys::sx, pri: c_int, wmesg: *const c_char) -> c_int;
    fn echodev_curthread() -> *mut sys::thread;
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Something to read.
    Read,
    /// Room to write.
    Write,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Read, Self::Write];
}

/// How long a thread gets to leave the driver, or the kernel's code around it, that nothing tells us of: some ticks.
const SETTLE_TICKS: sys::sbintime_t = 3;

fn settle() {
    // SAFETY: the caller may sleep; the tick is constant.
    unsafe { sys::pause_sbt(c"echoun".as_ptr(), sys::tick_sbt * SETTLE_TICKS, 0, sys::C_HARDCLOCK) };
}

/// One side: a wait channel and its selinfo, signalled together. Its address is the channel.
///
/// # Invariants
///
/// All of it is used under the monitor's lock, which is also the lock of `selinfo.si_note`. `sleepers` threads are in
/// [`Exclusive::sleep`], those included that were woken and wait for the lock.
struct Waiters {
    selinfo: UnsafeCell<sys::selinfo>,
    sleepers: Cell<u32>,
}

impl Waiters {
    fn new() -> Self {
        // SAFETY: selinfo is plain C data; selrecord(9) and knlist_init(9) expect it zeroed.
        let selinfo = unsafe { core::mem::zeroed() };
        Self { selinfo: UnsafeCell::new(selinfo), sleepers: Cell::new(0) }
    }

    fn channel(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    fn knlist(&self) -> *mut sys::knlist {
        // SAFETY: only the address of a field is taken.
        unsafe { &raw mut (*self.selinfo.get()).si_note }
    }
}

/// State of type `T` under an sx lock, and the two sides that its changes are signalled to.
///
/// # Invariants
///
/// It is made only by [`Monitor::new`], which initialises the lock and both knlists where they will stay: it never moves.
/// `untold` is 0 until [`Exclusive::hang_up`]; from then on it counts the attached knotes that f_event was not called for
/// by their own kqueue (see [`Held::tell`]).
#[repr(C)]
pub struct Monitor<T> {
    // First, so that the address of the one is that of the other: every call needs both.
    sx: UnsafeCell<sys::sx>,
    read: Waiters,
    write: Waiters,
    untold: Cell<usize>,
    state: UnsafeCell<T>,
}

// SAFETY: the state, and all else that changes, is reached only through guards, which hold the lock; shared guards give
// several threads a `&T`.
unsafe impl<T: Send + Sync> Sync for Monitor<T> {}

impl<T> Monitor<T> {
    /// A monitor over `state`. `name` is the lock's, for witness(4). May sleep.
    pub fn new(name: &'static CStr, state: T) -> KBox<Self> {
        let monitor = KBox::new(Self {
            // SAFETY: sx is plain C data; sx_init(9) expects it zeroed.
            sx: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            read: Waiters::new(),
            write: Waiters::new(),
            untold: Cell::new(0),
            state: UnsafeCell::new(state),
        });
        // SAFETY: nobody else knows the monitor yet, and boxed it will not move; the name is static.
        unsafe {
            sys::sx_init_flags(monitor.sx.get(), name.as_ptr(), 0);
            for side in Side::BOTH {
                echodev_knlist_init(monitor.waiters(side).knlist(), monitor.sx.get());
            }
        }
        monitor
    }

    fn waiters(&self, side: Side) -> &Waiters {
        match side {
            Side::Read => &self.read,
            Side::Write if cfg!(mutant = "sides-are-one") => &self.read,
            Side::Write => &self.write,
        }
    }

    /// The channel of whoever takes the monitor down.
    fn drain_channel(&self) -> *mut c_void {
        self.untold.as_ptr().cast()
    }

    /// Locks exclusively; may sleep. A thread that holds the lock already panics, or waits for itself for ever if it holds
    /// it shared. `sx_xlock`.
    #[track_caller]
    pub fn xlock(&self) -> Exclusive<'_, T> {
        let at = Location::caller();
        // SAFETY: the lock is initialised.
        let recursed = unsafe {
            sys::_sx_xlock(self.sx.get(), 0, at.file_as_c_str().as_ptr(), at.line() as c_int);
            (*self.sx.get()).lock_object.lo_data
        };
        // Without INVARIANTS the kernel lets every lock recurse; two guards of one thread would share a `&mut T`.
        assert!(recursed == 0, "the echo lock is held by this thread already");
        Exclusive { monitor: self, owner: PhantomData }
    }

    /// Locks for reading only, with others; may sleep. `sx_slock`.
    #[track_caller]
    pub fn slock(&self) -> Shared<'_, T> {
        let at = Location::caller();
        // SAFETY: the lock is initialised.
        unsafe { sys::_sx_slock(self.sx.get(), 0, at.file_as_c_str().as_ptr(), at.line() as c_int) };
        Shared { monitor: self, owner: PhantomData }
    }

    /// The state, for f_event, which the kernel calls with the lock held exclusively.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock exclusively until `Held` is gone, and no guard's reference to the state is in
    /// use meanwhile.
    pub unsafe fn held(&self) -> Held<'_, T> {
        Held { monitor: self, owner: PhantomData }
    }

    /// Takes `kn` off its side, for f_detach. Takes the lock exclusively. `knlist_remove`.
    ///
    /// # Safety
    ///
    /// It was attached to this `side` of this monitor, and not taken off since.
    pub unsafe fn detach(&self, side: Side, kn: &mut Knote<'_>) {
        let guard = self.xlock();
        guard.monitor.tell(kn);
        // SAFETY: as the caller says; the lock is held (1).
        unsafe { sys::knlist_remove(self.waiters(side).knlist(), kn.as_raw(), 1) };
    }

    /// Drops the knotes that are left and lets go of polling threads; then nothing in the kernel points here any more. To be
    /// called once no thread can come to attach or record, and with no guard: takes the lock, and sleeps for some ticks.
    /// `knlist_delete`, `seldrain`.
    pub fn retire(&self) {
        // f_event is also called when a kevent(2) call changes a knote, before the same call waits; and two threads may wait
        // on one kqueue, of which one has looked. They get a moment to do so before the knotes go.
        let left = self.slock().has_knotes();
        if left && !cfg!(mutant = "knotes-go-at-once") {
            settle();
        }
        for side in Side::BOTH {
            let waiters = self.waiters(side);
            // SAFETY: both lists are initialised. knlist_delete, not knlist_clear: the latter leaves knotes that point to
            // our filterops. It may let go of a file with the lock held, whose close then finds no device and no token: it
            // does not come back here.
            unsafe {
                let kill = if cfg!(mutant = "knlist-clear") { 0 } else { 1 };
                sys::knlist_cleardel(waiters.knlist(), echodev_curthread(), 0, kill);
                sys::seldrain(waiters.selinfo.get());
            }
        }
        // A thread that dropped a knote of its own may still be on its way out of f_detach, or of the list's unlock
        // callback, and reads kn_fop after that; another may be on its way out of a destructor. All this is module memory,
        // and nothing tells when they have left.
        settle();
    }

    /// After a hang-up, counts `kn` as told, once, and wakes whoever waits for all to be. The lock is held exclusively.
    fn tell(&self, kn: &mut Knote<'_>) {
        if self.untold.get() != 0 && kn.note_told() {
            self.untold.update(|untold| untold - 1);
            if self.untold.get() == 0 {
                // SAFETY: any address is a channel.
                unsafe { sys::wakeup(self.drain_channel()) };
            }
        }
    }
}

impl<T> Drop for Monitor<T> {
    fn drop(&mut self) {
        // SAFETY: both lists are initialised and empty (nothing was attached, or `retire` saw to it), and nobody is left to
        // use the lock.
        unsafe {
            for side in Side::BOTH {
                sys::knlist_destroy(self.waiters(side).knlist());
            }
            sys::sx_destroy(self.sx.get());
        }
    }
}

/// The lock, held exclusively; unlocks when dropped, in the thread that took it.
pub struct Exclusive<'a, T> {
    monitor: &'a Monitor<T>,
    owner: PhantomData<*mut ()>,
}

impl<T> Exclusive<'_, T> {
    /// Unlocks, sleeps until it is woken for `side`, and locks again. A signal of kill(2) ends the sleep, too (PCATCH): EINTR
    /// or ERESTART, to be returned untouched; a stop signal is one of them, and stops the thread only when it has left.
    /// `wmesg` is what ps(1) shows. `sx_sleep`, `sigdeferstop`.
    ///
    /// Whoever has slept may be the one that [`Exclusive::wake_one`] chose, even after an error. If it leaves something for
    /// others to use, it has to wake the next.
    pub fn sleep(&mut self, side: Side, wmesg: &'static CStr) -> Result {
        let waiters = self.monitor.waiters(side);
        waiters.sleepers.update(|sleepers| sleepers + 1);
        let catch = if cfg!(mutant = "signals-are-not-caught") { 0 } else { sys::PCATCH };
        // SAFETY: the lock is ours and held; the sleep gives it up and takes it back.
        let result = unsafe { echodev_sleep(waiters.channel(), self.monitor.sx.get(), catch, wmesg.as_ptr()) };
        waiters.sleepers.update(|sleepers| sleepers - 1);
        from_c(result)
    }

    /// Unlocks, sleeps until [`Exclusive::wake_drain`], for at most `timeout` if that is not 0, and locks again. Signals do
    /// not end it.
    fn sleep_on_drain(&self, wmesg: &'static CStr, timeout: sys::sbintime_t) {
        let channel = self.monitor.drain_channel();
        // SAFETY: the lock is ours and held; `_sleep` gives it up and takes it back.
        unsafe {
            let lock = &raw mut (*self.monitor.sx.get()).lock_object;
            sys::_sleep(channel, lock, 0, wmesg.as_ptr(), timeout, 0, sys::C_HARDCLOCK);
        }
    }

    /// Wakes one of those who sleep for `side`, the one that has slept longest, if there is any. `wakeup_one`.
    pub fn wake_one(&mut self, side: Side) {
        let waiters = self.monitor.waiters(side);
        if waiters.sleepers.get() != 0 {
            // SAFETY: any address is a channel.
            unsafe { sys::wakeup_one(waiters.channel()) };
        }
    }

    /// Wakes all who sleep for `side`, and notifies the others: for what concerns everyone. `wakeup`.
    #[cold]
    pub fn wake_all(&mut self, side: Side) {
        let waiters = self.monitor.waiters(side);
        if waiters.sleepers.get() != 0 {
            // SAFETY: any address is a channel.
            unsafe { sys::wakeup(waiters.channel()) };
        }
        if !cfg!(mutant = "what-concerns-all-is-not-told") {
            self.notify(side);
        }
    }

    /// Tells those who wait for `side`, but do not sleep in the driver, that its state has changed: selwakeup(9) for
    /// poll(2), KNOTE_LOCKED for kevent(2). Where nobody waits, nothing is called.
    pub fn notify(&mut self, side: Side) {
        let waiters = self.monitor.waiters(side);
        // SAFETY: both are initialised, and the lock is held exclusively, as KNOTE_LOCKED demands. Threads are recorded
        // and knotes attached only under the lock, so what is empty stays so meanwhile (SEL_WAITING, KNLIST_EMPTY). Threads
        // that have polled leave the list under a lock of select's alone, hence the atomic look.
        unsafe {
            if !AtomicPtr::from_ptr(&raw mut (*waiters.selinfo.get()).si_tdlist.tqh_first)
                .load(Ordering::Relaxed)
                .is_null()
            {
                sys::selwakeup(waiters.selinfo.get());
            }
            if !(*waiters.knlist()).kl_list.slh_first.is_null() {
                sys::knote(waiters.knlist(), HINT, sys::KNF_LISTLOCKED);
            }
        }
    }

    /// Attaches `kn` to `side`, with filters `fop` that find the monitor as `kn_hook`. `knlist_add`.
    ///
    /// # Safety
    ///
    /// `fop` stays valid, and its methods call [`Monitor::held`] and [`Monitor::detach`] for this `side`, until the
    /// monitor is dropped.
    pub unsafe fn attach(&mut self, side: Side, kn: &mut Knote<'_>, fop: *mut sys::filterops) {
        kn.bind(fop, ptr::from_ref(self.monitor).cast());
        // SAFETY: a knote in d_kqfilter is on no list yet; the lock is held (1).
        unsafe { sys::knlist_add(self.monitor.waiters(side).knlist(), kn.as_raw(), 1) };
    }

    /// Wakes and notifies both sides for the last time, and from now on counts the knotes that were looked at: see [`Held::tell`].
    pub fn hang_up(&mut self) {
        for side in Side::BOTH.into_iter().filter(|_| !cfg!(mutant = "unload-tells-nobody")) {
            self.wake_all(side);
        }
        let mut attached = 0;
        for side in Side::BOTH {
            // SAFETY: the lock is held, so the list and its links stay as they are.
            unsafe {
                let mut kn = (*self.monitor.waiters(side).knlist()).kl_list.slh_first;
                while !kn.is_null() {
                    attached += 1;
                    kn = (*kn).kn_selnext.sle_next;
                }
            }
        }
        self.monitor.untold.set(attached);
    }

    /// After [`Exclusive::hang_up`]: unlocks and sleeps until every attached knote was told or is gone, for at most
    /// `timeout`, and locks again. `sx_sleep`.
    pub fn wait_told(self, wmesg: &'static CStr, timeout: sys::sbintime_t) -> Self {
        if self.monitor.untold.get() != 0 {
            self.sleep_on_drain(wmesg, timeout);
        }
        self
    }

    /// Unlocks, sleeps until [`Exclusive::wake_drain`], and locks again. Signals do not end it.
    pub fn sleep_drain(self, wmesg: &'static CStr) -> Self {
        self.sleep_on_drain(wmesg, 0);
        self
    }

    /// Wakes whoever is in [`Exclusive::sleep_drain`].
    pub fn wake_drain(&mut self) {
        // SAFETY: any address is a channel.
        unsafe { sys::wakeup(self.monitor.drain_channel()) };
    }
}

impl<T> Deref for Exclusive<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.monitor.state.get() }
    }
}

impl<T> DerefMut for Exclusive<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held exclusively, and `&mut self` keeps other references away.
        unsafe { &mut *self.monitor.state.get() }
    }
}

impl<T> Drop for Exclusive<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the lock is held exclusively by this thread. Where a guard is dropped cannot be known here; WITNESS shows
        // where it was taken.
        unsafe { sys::_sx_xunlock(self.monitor.sx.get(), UNLOCK.as_ptr(), 0) };
    }
}

/// The file that unlocking is said to happen in.
const UNLOCK: &CStr = c"src/kpi/monitor.rs";

/// The lock, held together with other readers; unlocks when dropped, in the thread that took it.
pub struct Shared<'a, T> {
    monitor: &'a Monitor<T>,
    owner: PhantomData<*mut ()>,
}

impl<T> Shared<'_, T> {
    /// Whether a knote is attached to either side.
    fn has_knotes(&self) -> bool {
        // SAFETY: the lists are initialised, and change under the exclusive lock only.
        Side::BOTH
            .into_iter()
            .any(|side| !unsafe { (*self.monitor.waiters(side).knlist()).kl_list.slh_first }.is_null())
    }

    /// Lets the polling thread be woken when `side` is notified next: each side at most once in a d_poll, since the kernel
    /// has room for two. `selrecord`.
    pub fn record(&self, side: Side, poll: &Poll) {
        if cfg!(mutant = "knote-under-the-shared-lock") {
            // SAFETY: it is not: the lock is held shared.
            unsafe { sys::knote(self.monitor.waiters(side).knlist(), HINT, sys::KNF_LISTLOCKED) };
        }
        // SAFETY: a Poll exists only inside d_poll; the selinfo is initialised and the kernel locks it by itself.
        unsafe { sys::selrecord(poll.td, self.monitor.waiters(side).selinfo.get()) };
    }
}

impl<T> Deref for Shared<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so nobody has the state exclusively.
        unsafe { &*self.monitor.state.get() }
    }
}

impl<T> Drop for Shared<'_, T> {
    fn drop(&mut self) {
        // SAFETY: the lock is held shared by this thread.
        unsafe { sys::_sx_sunlock(self.monitor.sx.get(), UNLOCK.as_ptr(), 0) };
    }
}

/// The lock, held exclusively by the kernel around f_event: no signal and no sleep from here.
pub struct Held<'a, T> {
    monitor: &'a Monitor<T>,
    owner: PhantomData<*mut ()>,
}

impl<T> Held<'_, T> {
    /// After [`Exclusive::hang_up`]: counts `kn` as told, since its kqueue is looking at it now, for a kevent(2) call.
    pub fn tell(&mut self, kn: &mut Knote<'_>) {
        self.monitor.tell(kn);
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the kernel holds the lock.
        unsafe { &*self.monitor.state.get() }
    }
}

/// A poll(2) under way: the proof that selrecord(9) is legal.
pub struct Poll {
    td: *mut sys::thread,
}

impl Poll {
    /// # Safety
    ///
    /// `td` is what d_poll was called with, and the call has not returned.
    pub unsafe fn new(td: *mut sys::thread) -> Self {
        Self { td }
    }
}
