//! The device node, make_dev(9), `<sys/conf.h>`.
#![doc = concat!("```ignore\n", include_str!("../examples/make_dev.rs"), "```")]

use crate::errno::{Result, from_c};
use crate::tables;
use core::ffi::{CStr, c_int};
use core::ptr;
use freebsd_kernel_sys as sys;

/// Makes the node `/dev/<name>`, which belongs to root:wheel. Its methods are those of the cdevsw
/// of the driver, and find `softc` in `si_drv1`. EEXIST if the name is taken, EINVAL or
/// ENAMETOOLONG if it cannot be that of a device. May sleep. `make_dev_s`.
///
/// # Safety
///
/// `softc` is what the methods expect, and stays valid until [`destroy_dev`] has returned.
pub(crate) unsafe fn make_dev<T>(
    name: &CStr,
    mode: c_int,
    softc: *mut T,
) -> Result<*mut sys::cdev> {
    let mut cdev = ptr::null_mut();
    // SAFETY: make_dev_args is plain C data, which make_dev_args_init(9) sets. The cdevsw is that
    // of the driver. The name is an argument of a constant format. The caller guarantees the rest.
    unsafe {
        let mut args: sys::make_dev_args = core::mem::zeroed();
        sys::make_dev_args_init_impl(&mut args, size_of_val(&args));
        args.mda_flags = sys::MAKEDEV_WAITOK | sys::MAKEDEV_CHECKNAME;
        args.mda_devsw = tables().cdevsw;
        args.mda_uid = sys::UID_ROOT as u32;
        args.mda_gid = sys::GID_WHEEL as u32;
        args.mda_mode = mode;
        args.mda_si_drv1 = softc.cast();
        let error = sys::make_dev_s(&mut args, &mut cdev, c"%s".as_ptr(), name.as_ptr());
        from_c(error)?;
    }
    Ok(cdev)
}

/// Removes the node, waits until no thread is in a method, and runs the destructors of open files.
/// Sleeps. `destroy_dev`.
///
/// # Safety
///
/// `cdev` came from [`make_dev`] and is destroyed once. The caller holds no lock, and is not in a
/// method.
pub(crate) unsafe fn destroy_dev(cdev: *mut sys::cdev) {
    // SAFETY: the caller guarantees it.
    unsafe { sys::destroy_dev(cdev) }
}
