//! The functions that the tables of a driver's C file name: arguments of C in, safe types out.

use crate::devfs_set_cdevpriv::clear_cdevpriv;
use crate::driver::Driver;
use crate::errno::to_c;
use crate::ioctl::Data;
use crate::kqueue::Knote;
use crate::selrecord::Poll;
use crate::softc::Softc;
use crate::uio::{ReadUio, WriteUio};
use core::ffi::{c_int, c_ulong, c_void};
use freebsd_kernel_sys as sys;

/// # Safety
///
/// `dev` is the argument of a method of the driver `D` that has not returned during `'a`.
unsafe fn softc<'a, D: Driver>(dev: *mut sys::cdev) -> &'a Softc<D> {
    // SAFETY: the device was made with this `si_drv1`, which is freed after the last method.
    unsafe { &*(*dev).si_drv1.cast() }
}

/// # Safety
///
/// The kernel calls it as d_open of the driver's device.
pub unsafe fn open<D: Driver>(dev: *mut sys::cdev, fflag: c_int) -> c_int {
    // SAFETY: this is a method of the device.
    let softc = unsafe { softc::<D>(dev) };
    to_c(D::open(softc, fflag).and_then(|file| match file {
        Some(file) => softc.set_cdevpriv(file),
        None => Ok(()),
    }))
}

/// # Safety
///
/// The kernel calls it as d_close of the driver's device.
pub unsafe fn close<D: Driver>(dev: *mut sys::cdev, fflag: c_int) -> c_int {
    if fflag & sys::FREVOKE != 0 && fflag & (sys::FREAD | sys::FWRITE) == 0 {
        // SAFETY: this is a method of the device.
        D::revoke(unsafe { softc(dev) });
    } else {
        clear_cdevpriv();
    }
    0
}

/// # Safety
///
/// The kernel calls it as d_read of the driver's device.
pub unsafe fn read<D: Driver>(dev: *mut sys::cdev, uio: *mut sys::uio, ioflag: c_int) -> c_int {
    // SAFETY: this is a method of the device, and the uio is that of the call.
    let (softc, mut uio) = unsafe { (softc::<D>(dev), ReadUio::new(uio)) };
    to_c(D::read(softc, &mut uio, ioflag))
}

/// # Safety
///
/// The kernel calls it as d_write of the driver's device.
pub unsafe fn write<D: Driver>(dev: *mut sys::cdev, uio: *mut sys::uio, ioflag: c_int) -> c_int {
    // SAFETY: this is a method of the device, and the uio is that of the call.
    let (softc, mut uio) = unsafe { (softc::<D>(dev), WriteUio::new(uio)) };
    to_c(D::write(softc, &mut uio, ioflag))
}

/// # Safety
///
/// The kernel calls it as d_ioctl of the driver's device.
pub unsafe fn ioctl<D: Driver>(
    dev: *mut sys::cdev,
    cmd: c_ulong,
    data: *mut c_void,
    fflag: c_int,
) -> c_int {
    // SAFETY: this is a method of the device, and the argument is that of the call.
    let (softc, mut data) = unsafe { (softc::<D>(dev), Data::new(cmd, data)) };
    to_c(D::ioctl(softc, cmd, &mut data, fflag))
}

/// # Safety
///
/// The kernel calls it as d_poll of the driver's device.
pub unsafe fn poll<D: Driver>(dev: *mut sys::cdev, events: c_int, td: *mut sys::thread) -> c_int {
    // SAFETY: this is a method of the device, d_poll.
    let (softc, poll) = unsafe { (softc::<D>(dev), Poll::new(td)) };
    D::poll(softc, events, &poll)
}

/// # Safety
///
/// The kernel calls it as d_kqfilter of the driver's device.
pub unsafe fn kqfilter<D: Driver>(dev: *mut sys::cdev, kn: *mut sys::knote) -> c_int {
    // SAFETY: this is a method of the device, and the knote is that of the call.
    let (softc, mut kn) = unsafe { (softc::<D>(dev), Knote::new(kn)) };
    to_c(softc.kqfilter(&mut kn))
}
