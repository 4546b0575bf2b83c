//! The functions that `c_shim/echodev.c` calls: C types in, safe types out. No decisions here.

use crate::device::{self, Request, Softc, Token};
use crate::ioctl;
use crate::kpi::cdev;
use crate::kpi::errno::{Errno, Result, to_c};
use crate::kpi::knote::Knote;
use crate::kpi::malloc::KBox;
use crate::kpi::monitor::{Poll, Side};
use crate::kpi::uio::{ReadUio, WriteUio};
use core::ffi::{c_int, c_long, c_ulong, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    static mut echodev_read_filterops: sys::filterops;
    static mut echodev_write_filterops: sys::filterops;
}

/// The loaded device, for [`drop_writer`]. Set before the first open, and not changed until all writers are dropped.
static SOFTC: AtomicPtr<Softc> = AtomicPtr::new(ptr::null_mut());

/// Uncounts a writer whose file is closed, however it is.
///
/// # Safety
///
/// `token` came from [`echodev_open`] by devfs_set_cdevpriv(9), and this is its only destructor call.
unsafe extern "C" fn drop_writer(token: *mut c_void) {
    // SAFETY: the device was there when the writer was counted, and unloading waits in Softc::drain for all writers before
    // it frees it.
    unsafe { &*SOFTC.load(Ordering::Relaxed) }.uncount(Token::from_number(token.addr()));
}

/// # Safety
///
/// The kernel's module event handler calls it at MOD_LOAD; `devp` and `scp` point to where its results go.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_load(devp: *mut *mut sys::cdev, scp: *mut *mut Softc) -> c_int {
    let softc = device::new().into_raw();
    SOFTC.store(softc, Ordering::Relaxed);
    // SAFETY: the softc is what the shim's methods expect, and echodev_unload frees it after destroy_dev; if make_dev
    // fails, nobody else has seen it. The two places are the caller's.
    unsafe {
        match cdev::make(c"echo", 0o600, softc) {
            Ok(dev) => {
                devp.write(dev);
                scp.write(softc);
                0
            }
            Err(error) => {
                drop(KBox::from_raw(softc));
                error.number()
            }
        }
    }
}

/// # Safety
///
/// The kernel's module event handler calls it at MOD_UNLOAD, once for each success of [`echodev_load`], with what that gave.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_unload(dev: *mut sys::cdev, sc: *mut Softc) {
    // SAFETY: the pointers are those of echodev_load, given once. destroy_dev returns when no thread is in a method, and
    // drain when no destructor is left, and no knote.
    unsafe {
        (*sc).hang_up();
        cdev::destroy(dev);
        (*sc).drain();
        drop(KBox::from_raw(sc));
    }
}

/// # Safety
///
/// As d_open is called, with the device's `si_drv1`; so are the functions below, each as the method of its name.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_open(sc: *const Softc, fflag: c_int) -> c_int {
    // SAFETY: the softc outlives the methods.
    let softc = unsafe { &*sc };
    to_c(softc.open(fflag).and_then(|counted| match counted {
        None => Ok(()),
        // SAFETY: this is d_open, and the destructor may be called as long as there is a writer: see there.
        Some(token) => unsafe { cdev::set_priv(token.number(), drop_writer) }.inspect_err(|_| softc.uncount(token)),
    }))
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_close(sc: *const Softc, fflag: c_int) -> c_int {
    // SAFETY: the softc outlives the methods.
    unsafe { &*sc }.close(fflag);
    0
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_read(sc: *const Softc, uio: *mut sys::uio, ioflag: c_int) -> c_int {
    // SAFETY: the softc outlives the methods; the uio is the call's own.
    let (softc, mut uio) = unsafe { (&*sc, ReadUio::new(uio)) };
    to_c(softc.read(&mut uio, ioflag & sys::O_NONBLOCK != 0))
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_write(sc: *const Softc, uio: *mut sys::uio, ioflag: c_int) -> c_int {
    // SAFETY: the softc outlives the methods; the uio is the call's own.
    let (softc, mut uio) = unsafe { (&*sc, WriteUio::new(uio)) };
    to_c(softc.write(&mut uio, ioflag & sys::O_NONBLOCK != 0))
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_ioctl(sc: *const Softc, cmd: c_ulong, data: *mut c_void, fflag: c_int) -> c_int {
    // SAFETY: the softc outlives the methods; the request's code says what its argument is, and the kernel has made room
    // for that, aligned, in its own memory.
    let (softc, request) = unsafe { (&*sc, decode(cmd, data)) };
    to_c(request.and_then(|request| softc.ioctl(request, fflag)))
}

/// # Safety
///
/// `data` points to an argument as `cmd` encodes it.
unsafe fn decode<'a>(cmd: c_ulong, data: *mut c_void) -> Result<Request<'a>> {
    // SAFETY: as the caller says; each code below has the size of the type that it is read as.
    unsafe {
        Ok(match cmd {
            ioctl::ECHODEV_GBUFSIZE => Request::GetBufSize(&mut *data.cast()),
            ioctl::ECHODEV_SBUFSIZE => Request::SetBufSize(*data.cast()),
            ioctl::ECHODEV_CLEAR => Request::Clear,
            ioctl::FIONBIO => Request::NonBlock,
            ioctl::FIOASYNC => Request::Async(*data.cast()),
            ioctl::FIONREAD => Request::Readable(&mut *data.cast()),
            ioctl::FIONWRITE => Request::Writable(&mut *data.cast()),
            _ => return Err(Errno::ENOTTY),
        })
    }
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_poll(sc: *const Softc, events: c_int, td: *mut sys::thread) -> c_int {
    // SAFETY: the softc outlives the methods; this is d_poll.
    let (softc, poll) = unsafe { (&*sc, Poll::new(td)) };
    softc.poll(events, &poll)
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_kqfilter(sc: *const Softc, kn: *mut sys::knote) -> c_int {
    // SAFETY: the softc outlives the methods; the knote is the call's own.
    let (softc, mut kn) = unsafe { (&*sc, Knote::new(kn)) };
    let (side, fop) = match side_of(&kn) {
        Ok(Side::Read) => (Side::Read, &raw mut echodev_read_filterops),
        Ok(Side::Write) => (Side::Write, &raw mut echodev_write_filterops),
        Err(error) => return error.number(),
    };
    // SAFETY: the shim's filterops, whose methods are the three functions below, live as long as the module.
    to_c(softc.attachable().map(|mut state| unsafe { state.attach(side, &mut kn, fop) }))
}

fn side_of(kn: &Knote<'_>) -> Result<Side> {
    match kn.filter() {
        sys::EVFILT_READ => Ok(Side::Read),
        sys::EVFILT_WRITE => Ok(Side::Write),
        _ => Err(Errno::EINVAL),
    }
}

/// # Safety
///
/// As f_detach is called: the knote was attached by [`echodev_kqfilter`], and the list's lock is not held.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_knote_detach(kn: *mut sys::knote) {
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes. It was attached to the side that
    // its filter, which never changes, says.
    unsafe {
        let mut kn = Knote::new(kn);
        let softc = &*kn.hook().cast::<Softc>();
        if let Ok(side) = side_of(&kn) {
            softc.detach(side, &mut kn);
        }
    }
}

/// # Safety
///
/// As f_event is called: as above, and with the list's lock held, which is the softc's, exclusively.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_read_event(kn: *mut sys::knote, hint: c_long) -> c_int {
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes; the lock is held.
    let (mut state, mut kn) = unsafe {
        let kn = Knote::new(kn);
        ((*kn.hook().cast::<Softc>()).held(), kn)
    };
    Softc::read_event(&mut state, &mut kn, hint).into()
}

/// # Safety
///
/// See [`echodev_read_event`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_write_event(kn: *mut sys::knote, hint: c_long) -> c_int {
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes; the lock is held.
    let (mut state, mut kn) = unsafe {
        let kn = Knote::new(kn);
        ((*kn.hook().cast::<Softc>()).held(), kn)
    };
    Softc::write_event(&mut state, &mut kn, hint).into()
}
