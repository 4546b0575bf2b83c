//! State under an sx(9) lock, with two sides that threads can wait for: by sleep(9), by poll(2), by
//! kevent(2).
//!
//! Lock order: the caller's file descriptor table, then this lock, then the kernel's own behind it
//! (sleep queues, select, kqueues; vnodes and memory maps, for a page fault in uiomove(9) or a file
//! that goes with its knote). Whoever waits for the lock waits for such a fault, too.

mod leave;
mod unload;

use super::errno::{Result, from_c};
use super::filterops::Filters;
use super::knote::{HINT, Knote};
use super::malloc::KBox;
use core::cell::{Cell, UnsafeCell};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::marker::PhantomData;
use core::mem;
use core::ops::{Deref, DerefMut};
use core::panic::Location;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    fn echodev_knlist_init(knl: *mut sys::knlist, sx: *mut sys::sx);
    fn echodev_xlock_sig(sx: *mut sys::sx) -> c_int;
    fn echodev_sleep(chan: *mut c_void, sx: *mut sys::sx, wmesg: *const c_char) -> c_int;
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

/// One side: a wait channel and its selinfo, signalled together. Its address is the channel.
///
/// # Invariants
///
/// `selinfo` is used under the monitor's lock, which is also the lock of `si_note`. `sleepers` is
/// at least the number of threads on the sleep queue. It grows under the lock, so it is exact for a
/// thread that holds the lock and finds 0.
struct Waiters {
    selinfo: UnsafeCell<sys::selinfo>,
    sleepers: AtomicU32,
}

impl Waiters {
    fn new() -> Self {
        // SAFETY: selinfo is plain C data; selrecord(9) and knlist_init(9) expect it zeroed.
        let selinfo = unsafe { core::mem::zeroed() };
        Self {
            selinfo: UnsafeCell::new(selinfo),
            sleepers: AtomicU32::new(0),
        }
    }

    fn channel(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }

    fn knlist(&self) -> *mut sys::knlist {
        // SAFETY: only the address of a field is taken.
        unsafe { &raw mut (*self.selinfo.get()).si_note }
    }
}

/// The lock, and what the callbacks of its knlists need with it. First in a [`Monitor`], so one
/// address is that of all three.
#[repr(C)]
struct Lock {
    sx: UnsafeCell<sys::sx>,
    /// Set while unloading waits for knotes: each unlock of a knlist wakes it up. The address is
    /// its wait channel.
    draining: Cell<bool>,
}

/// State of type `T` under an sx lock, and the two sides that its changes are signalled to; `C` is
/// beside the lock.
///
/// # Invariants
///
/// It is made only by [`Monitor::new`], which initialises the lock and both knlists where they will
/// stay: it never moves.
#[repr(C)]
pub struct Monitor<T, C> {
    lock: Lock,
    read: Waiters,
    write: Waiters,
    filters: Filters,
    /// What needs no lock.
    pub common: C,
    state: UnsafeCell<T>,
}

// SAFETY: the state, and all else that changes, is reached only through guards, which hold the
// lock; shared guards give several threads a `&T`. `common` is shared as it is.
unsafe impl<T: Send + Sync, C: Sync> Sync for Monitor<T, C> {}

impl<T, C> Monitor<T, C> {
    /// A monitor over `state`. `name` is the lock's, for witness(4). May sleep.
    pub fn new(name: &'static CStr, state: T, common: C) -> KBox<Self> {
        let monitor = KBox::new(Self {
            // SAFETY: sx is plain C data; sx_init(9) expects it zeroed.
            lock: Lock {
                sx: UnsafeCell::new(unsafe { mem::zeroed() }),
                draining: Cell::new(false),
            },
            read: Waiters::new(),
            write: Waiters::new(),
            filters: Filters::new(),
            common,
            state: UnsafeCell::new(state),
        });
        // SAFETY: no other thread has the monitor yet, and boxed it will not move; the name is
        // static.
        unsafe {
            sys::sx_init_flags(monitor.sx(), name.as_ptr(), 0);
            for side in Side::BOTH {
                echodev_knlist_init(monitor.waiters(side).knlist(), monitor.sx());
            }
        }
        monitor
    }

    fn sx(&self) -> *mut sys::sx {
        self.lock.sx.get()
    }

    fn waiters(&self, side: Side) -> &Waiters {
        match side {
            Side::Read => &self.read,
            Side::Write => &self.write,
        }
    }

    /// Locks exclusively; may sleep, and nothing ends the sleep. A thread that already holds the
    /// lock panics, or deadlocks if it holds it shared. `sx_xlock`.
    #[track_caller]
    pub fn xlock(&self) -> Exclusive<'_, T, C> {
        let at = Location::caller();
        // SAFETY: the lock is initialised.
        unsafe {
            sys::_sx_xlock(
                self.sx(),
                0,
                at.file_as_c_str().as_ptr(),
                at.line() as c_int,
            )
        };
        self.locked()
    }

    /// Locks exclusively; may sleep, and a signal ends the sleep: EINTR or ERESTART, to be returned
    /// unchanged. A stop signal is one of them. `sx_xlock_sig`.
    #[track_caller]
    pub fn xlock_sig(&self) -> Result<Exclusive<'_, T, C>> {
        let at = Location::caller();
        // The attempt costs no more than sx_xlock(9), and deferring stop signals is only for a
        // thread that has to wait. SAFETY: the lock is initialised.
        if unsafe { sys::sx_try_xlock_(self.sx(), at.file_as_c_str().as_ptr(), at.line() as c_int) }
            != 0
        {
            // It fails if this thread holds the lock, which was not made recursive.
            return Ok(Exclusive {
                monitor: self,
                owner: PhantomData,
            });
        }
        self.wait_for_lock()
    }

    #[cold]
    fn wait_for_lock(&self) -> Result<Exclusive<'_, T, C>> {
        // SAFETY: the lock is initialised.
        from_c(unsafe { echodev_xlock_sig(self.sx()) })?;
        Ok(self.locked())
    }

    /// [`Exclusive::sleep`], without the guard: the lock is held before, and if there is no error,
    /// after it.
    #[cold]
    fn sleep(&self, side: Side, wmesg: &'static CStr) -> Result {
        let waiters = self.waiters(side);
        waiters.sleepers.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the lock is this thread's and held; the sleep releases it, and takes it back
        // unless there is an error.
        let error = unsafe { echodev_sleep(waiters.channel(), self.sx(), wmesg.as_ptr()) };
        waiters.sleepers.fetch_sub(1, Ordering::Relaxed);
        let slept = from_c(error);
        // Without the lock it is not known whether there is something to use. A thread that is
        // woken looks.
        if slept.is_err() {
            // SAFETY: any address is a channel.
            unsafe { sys::wakeup_one(waiters.channel()) };
        }
        slept
    }

    /// The guard of a lock that was just taken.
    fn locked(&self) -> Exclusive<'_, T, C> {
        // SAFETY: the lock is initialised, and the field is its owner's.
        let recursed = unsafe { (*self.sx()).lock_object.lo_data };
        // Without INVARIANTS the kernel lets every lock recurse; two guards of one thread would
        // share a `&mut T`.
        assert!(
            recursed == 0,
            "the echo lock is held by this thread already"
        );
        Exclusive {
            monitor: self,
            owner: PhantomData,
        }
    }

    /// Locks for reading only, with others; may sleep. `sx_slock`.
    #[track_caller]
    pub fn slock(&self) -> Shared<'_, T, C> {
        let at = Location::caller();
        // SAFETY: the lock is initialised.
        unsafe {
            sys::_sx_slock(
                self.sx(),
                0,
                at.file_as_c_str().as_ptr(),
                at.line() as c_int,
            )
        };
        Shared {
            monitor: self,
            owner: PhantomData,
        }
    }

    /// The state, for f_event, which the kernel calls with the lock held exclusively.
    ///
    /// # Safety
    ///
    /// The calling thread holds the lock exclusively until `Held` is gone, and no guard's reference
    /// to the state is in use meanwhile.
    pub unsafe fn held(&self) -> Held<'_, T, C> {
        Held {
            monitor: self,
            owner: PhantomData,
        }
    }
}

impl<T, C> Drop for Monitor<T, C> {
    fn drop(&mut self) {
        // SAFETY: both lists are initialised and empty (nothing was attached, or `retire` has
        // dropped it), and no thread is left to use the lock.
        unsafe {
            for side in Side::BOTH {
                sys::knlist_destroy(self.waiters(side).knlist());
            }
            sys::sx_destroy(self.sx());
        }
    }
}

/// The lock, held exclusively; unlocks when dropped, in the thread that took it.
pub struct Exclusive<'a, T, C> {
    monitor: &'a Monitor<T, C>,
    owner: PhantomData<*mut ()>,
}

impl<T, C> Exclusive<'_, T, C> {
    /// Unlocks, sleeps until it is woken for `side`, and locks again. A signal of kill(2) ends the
    /// sleep, and the wait for the lock behind it (PCATCH): EINTR or ERESTART, to be returned
    /// unchanged, with the lock released. A stop signal is one of them, and stops the thread only
    /// when it has left. `wmesg` is what ps(1) shows. `sx_sleep`, `sigdeferstop`.
    ///
    /// A thread that has slept may be the one that [`Exclusive::wake_one`] chose. If it leaves
    /// something for others to use, it has to wake the next. After an error this is done here.
    #[inline(always)]
    pub fn sleep(self, side: Side, wmesg: &'static CStr) -> Result<Self> {
        let monitor = self.monitor;
        mem::forget(self);
        monitor.sleep(side, wmesg)?;
        Ok(Exclusive {
            monitor,
            owner: PhantomData,
        })
    }

    /// What needs no lock.
    pub fn common(&self) -> &C {
        &self.monitor.common
    }

    /// Whether a thread may sleep for `side`.
    pub fn has_sleepers(&self, side: Side) -> bool {
        self.monitor.waiters(side).sleepers.load(Ordering::Relaxed) != 0
    }

    /// Wakes up the thread that has slept longest for `side`, if there is any. `wakeup_one`.
    pub fn wake_one(&mut self, side: Side) {
        if self.has_sleepers(side) {
            // SAFETY: any address is a channel.
            unsafe { sys::wakeup_one(self.monitor.waiters(side).channel()) };
        }
    }

    /// Wakes all who sleep for `side`, and notifies the others: for what concerns everyone.
    /// `wakeup`.
    #[cold]
    pub fn wake_all(&mut self, side: Side) {
        if self.has_sleepers(side) {
            // SAFETY: any address is a channel.
            unsafe { sys::wakeup(self.monitor.waiters(side).channel()) };
        }
        self.notify(side);
    }

    /// Tells those who wait for `side`, but do not sleep in the driver, that its state has changed:
    /// selwakeup(9) for poll(2), KNOTE_LOCKED for kevent(2). Where nobody waits, nothing is called.
    pub fn notify(&mut self, side: Side) {
        let waiters = self.monitor.waiters(side);
        // SAFETY: both are initialised, and the lock is held exclusively, as KNOTE_LOCKED demands.
        // Threads are recorded and knotes attached only under the lock, so what is empty stays so
        // meanwhile (SEL_WAITING, KNLIST_EMPTY). Threads that have polled leave the list under a
        // lock of select's alone, hence the atomic look.
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

    /// Attaches `kn` to `side`. `knlist_add`.
    pub fn attach(&mut self, side: Side, kn: &mut Knote<'_>) {
        kn.bind(
            self.monitor.filters.table(kn.filter()),
            ptr::from_ref(self.monitor).cast(),
        );
        // SAFETY: a knote in d_kqfilter is on no list yet; the lock is held (1).
        unsafe { sys::knlist_add(self.monitor.waiters(side).knlist(), kn.as_raw(), 1) };
    }
}

impl<T, C> Deref for Exclusive<'_, T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.monitor.state.get() }
    }
}

impl<T, C> DerefMut for Exclusive<'_, T, C> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held exclusively, and `&mut self` keeps other references away.
        unsafe { &mut *self.monitor.state.get() }
    }
}

impl<T, C> Drop for Exclusive<'_, T, C> {
    fn drop(&mut self) {
        // SAFETY: the lock is held exclusively by this thread. Where a guard is dropped cannot be
        // known here; WITNESS shows where it was taken.
        unsafe { sys::_sx_xunlock(self.monitor.sx(), UNLOCK.as_ptr(), 0) };
    }
}

/// The file that unlocking is said to happen in.
const UNLOCK: &CStr = c"src/kpi/monitor.rs";

/// The lock, held together with other readers; unlocks when dropped, in the thread that took it.
pub struct Shared<'a, T, C> {
    monitor: &'a Monitor<T, C>,
    owner: PhantomData<*mut ()>,
}

impl<T, C> Shared<'_, T, C> {
    /// Lets the polling thread be woken when `side` is notified next: each side at most once in a
    /// d_poll, since the kernel has room for two. `selrecord`.
    pub fn record(&self, side: Side, poll: &Poll) {
        // SAFETY: a Poll exists only inside d_poll; the selinfo is initialised and the kernel locks
        // it by itself.
        unsafe { sys::selrecord(poll.td, self.monitor.waiters(side).selinfo.get()) };
    }
}

impl<T, C> Deref for Shared<'_, T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held, so nobody has the state exclusively.
        unsafe { &*self.monitor.state.get() }
    }
}

impl<T, C> Drop for Shared<'_, T, C> {
    fn drop(&mut self) {
        // SAFETY: the lock is held shared by this thread.
        unsafe { sys::_sx_sunlock(self.monitor.sx(), UNLOCK.as_ptr(), 0) };
    }
}

/// The lock, held exclusively by the kernel around f_event: no signal and no sleep from here.
pub struct Held<'a, T, C> {
    monitor: &'a Monitor<T, C>,
    owner: PhantomData<*mut ()>,
}

impl<T, C> Deref for Held<'_, T, C> {
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
