//! The methods in the tables of `c_shim/echodev.c`, and what it calls: C types in, safe types out.
//! No decisions here.

use crate::device::{self, Request, Softc};
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

/// The device that is loaded, or was last: where the destructor of an open file, which gets a token
/// only, finds it.
static SOFTC: AtomicPtr<Softc> = AtomicPtr::new(ptr::null_mut());

/// # Safety
///
/// The kernel's module event handler calls it at MOD_LOAD; `devp` and `scp` point to where its
/// results go.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_load(devp: *mut *mut sys::cdev, scp: *mut *mut Softc) -> c_int {
    let softc = match device::new() {
        Ok(softc) => softc.into_raw(),
        Err(error) => return error.number(),
    };
    SOFTC.store(softc, Ordering::Relaxed);
    // SAFETY: the softc is what the shim's methods expect, and echodev_unload frees it after
    // destroy_dev; if make_dev fails, nobody else has seen it. The two places are the caller's.
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
/// The kernel's module event handler calls it at MOD_UNLOAD, once for each success of
/// [`echodev_load`], with what that gave.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_unload(dev: *mut sys::cdev, sc: *mut Softc) {
    // SAFETY: the pointers are those of echodev_load, given once. destroy_dev returns when no
    // thread is in a method, and drain when no destructor is left, and no knote.
    unsafe {
        (*sc).hang_up();
        cdev::destroy(dev);
        (*sc).drain();
        drop(KBox::from_raw(sc));
    }
}

/// # Safety
///
/// `dev` is what a method was called with, and that call has not returned while the reference is in
/// use.
unsafe fn softc<'a>(dev: *mut sys::cdev) -> &'a Softc {
    // SAFETY: echodev_load made the device with this `si_drv1`, which outlives the methods.
    unsafe { &*(*dev).si_drv1.cast() }
}

/// # Safety
///
/// As d_open is called; so are the functions below, each as the method of its name.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_open(
    dev: *mut sys::cdev,
    fflag: c_int,
    _devtype: c_int,
    _td: *mut sys::thread,
) -> c_int {
    // SAFETY: this is a method of the device.
    let softc = unsafe { softc(dev) };
    to_c(softc.open(fflag).and_then(|counted| match counted {
        None => Ok(()),
        // SAFETY: this is d_open, and Softc::drain keeps the softc until every token is back.
        Some(token) => unsafe { cdev::set_priv(token.into(), echodev_dtor) },
    }))
}

/// # Safety
///
/// As a destructor of devfs_set_cdevpriv(9): `token` is that of [`echodev_open`], given back once.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_dtor(token: *mut c_void) {
    // SAFETY: unloading waits in Softc::drain for all tokens before it frees the softc, or another
    // one can be loaded.
    unsafe { &*SOFTC.load(Ordering::Relaxed) }.uncount(token.addr().into());
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_close(
    dev: *mut sys::cdev,
    fflag: c_int,
    _devtype: c_int,
    _td: *mut sys::thread,
) -> c_int {
    // SAFETY: this is a method of the device.
    unsafe { softc(dev) }.close(fflag);
    0
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_read(dev: *mut sys::cdev, uio: *mut sys::uio, ioflag: c_int) -> c_int {
    // SAFETY: this is a method of the device; the uio is the call's own.
    let (softc, mut uio) = unsafe { (softc(dev), ReadUio::new(uio)) };
    to_c(softc.read(&mut uio, ioflag & sys::O_NONBLOCK != 0))
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_write(
    dev: *mut sys::cdev,
    uio: *mut sys::uio,
    ioflag: c_int,
) -> c_int {
    // SAFETY: this is a method of the device; the uio is the call's own.
    let (softc, mut uio) = unsafe { (softc(dev), WriteUio::new(uio)) };
    to_c(softc.write(&mut uio, ioflag & sys::O_NONBLOCK != 0))
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_ioctl(
    dev: *mut sys::cdev,
    cmd: c_ulong,
    data: *mut c_void,
    fflag: c_int,
    _td: *mut sys::thread,
) -> c_int {
    // SAFETY: this is a method of the device; the request's code says what its argument is, and the
    // kernel has made room for that, aligned, in its own memory.
    let (softc, request) = unsafe { (softc(dev), decode(cmd, data)) };
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
            ioctl::ECHODEV_GBUFSIZE32 => Request::GetBufSize32(&mut *data.cast()),
            ioctl::ECHODEV_SBUFSIZE => Request::SetBufSize(*data.cast()),
            ioctl::ECHODEV_SBUFSIZE32 => Request::SetBufSize(*data.cast::<u32>() as usize),
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
unsafe extern "C" fn echodev_poll(
    dev: *mut sys::cdev,
    events: c_int,
    td: *mut sys::thread,
) -> c_int {
    // SAFETY: this is a method of the device, d_poll.
    let (softc, poll) = unsafe { (softc(dev), Poll::new(td)) };
    softc.poll(events, &poll)
}

/// # Safety
///
/// See [`echodev_open`].
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_kqfilter(dev: *mut sys::cdev, kn: *mut sys::knote) -> c_int {
    // SAFETY: this is a method of the device; the knote is the call's own.
    let (softc, mut kn) = unsafe { (softc(dev), Knote::new(kn)) };
    to_c(side_of(&kn).and_then(|side| {
        softc.attachable()?.attach(side, &mut kn);
        Ok(())
    }))
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
/// As f_detach is called: the knote was attached by [`echodev_kqfilter`], and the list's lock is
/// not held.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_knote_detach(kn: *mut sys::knote) {
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes. It was
    // attached to the side that its filter, which never changes, says.
    unsafe {
        let kn = Knote::new(kn);
        let softc = &*kn.hook().cast::<Softc>();
        let side = if kn.filter() == sys::EVFILT_READ {
            Side::Read
        } else {
            Side::Write
        };
        softc.detach(side, &kn);
    }
}

/// # Safety
///
/// As f_event is called: as above, and with the list's lock held, which is the softc's,
/// exclusively.
#[unsafe(no_mangle)]
unsafe extern "C" fn echodev_read_event(kn: *mut sys::knote, hint: c_long) -> c_int {
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes; the
    // lock is held.
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
    // SAFETY: the knote is the call's own; its hook is the softc, which outlives its knotes; the
    // lock is held.
    let (mut state, mut kn) = unsafe {
        let kn = Knote::new(kn);
        ((*kn.hook().cast::<Softc>()).held(), kn)
    };
    Softc::write_event(&mut state, &mut kn, hint).into()
}
