//! The device node and what is kept per open file, make_dev(9), devfs_set_cdevpriv(9).

use super::errno::{Result, from_c};
use core::ffi::{CStr, c_void};
use core::ptr;
use freebsd_kernel_sys as sys;

unsafe extern "C" {
    static mut echodev_cdevsw: sys::cdevsw;
}

/// Makes the node `/dev/<name>`, owned by root:wheel with `mode`, whose methods are those of the C
/// shim and find `softc` as `si_drv1`. EEXIST if the name is taken, EINVAL or ENAMETOOLONG if it is
/// no name for a device. May sleep. `make_dev_s`.
///
/// # Safety
///
/// `softc` is what the shim's methods expect, and stays valid until [`destroy`] has returned.
pub unsafe fn make<T>(name: &CStr, mode: i32, softc: *mut T) -> Result<*mut sys::cdev> {
    let mut cdev = ptr::null_mut();
    // SAFETY: make_dev_args is plain C data, which make_dev_args_init(9) fills; the cdevsw is the
    // module's; the name is a string, given as an argument of the format. The rest is up to the
    // caller.
    unsafe {
        let mut args: sys::make_dev_args = core::mem::zeroed();
        sys::make_dev_args_init_impl(&mut args, size_of_val(&args));
        args.mda_flags = sys::MAKEDEV_WAITOK | sys::MAKEDEV_CHECKNAME;
        args.mda_devsw = &raw mut echodev_cdevsw;
        args.mda_uid = sys::UID_ROOT as u32;
        args.mda_gid = sys::GID_WHEEL as u32;
        args.mda_mode = mode;
        args.mda_si_drv1 = softc.cast();
        from_c(sys::make_dev_s(
            &mut args,
            &mut cdev,
            c"%s".as_ptr(),
            name.as_ptr(),
        ))?;
    }
    Ok(cdev)
}

/// Removes the node, waits until no thread is in a method, and runs the destructors of
/// [`set_priv`]. Sleeps. `destroy_dev`.
///
/// # Safety
///
/// `cdev` came from [`make`], is destroyed once, and the caller holds no lock and is not in a
/// method itself.
pub unsafe fn destroy(cdev: *mut sys::cdev) {
    // SAFETY: as the caller says.
    unsafe { sys::destroy_dev(cdev) }
}

/// Keeps `token` with the file that is being opened. `destroy` gets it back, as an address, at
/// [`clear_priv`], at the file's last close, or when the device is destroyed, whichever comes
/// first, without a lock held; at once if there is an error: ENOENT if the kernel itself opens the
/// device, without a file; EBUSY if the file has something already. `devfs_set_cdevpriv`.
///
/// # Safety
///
/// It is called from d_open; `destroy` must be sound to call with the token, once, until the module
/// is unloaded.
pub unsafe fn set_priv(token: usize, destroy: unsafe extern "C" fn(*mut c_void)) -> Result {
    let token = ptr::without_provenance_mut(token);
    // SAFETY: as the caller says; the kernel only hands the token on, and does not take it if there
    // is an error.
    unsafe { from_c(sys::devfs_set_cdevpriv(token, Some(destroy))).inspect_err(|_| destroy(token)) }
}

/// Gives back what is kept with the file that the running method was called through; nothing if
/// there is none. `devfs_clear_cdevpriv`.
pub fn clear_priv() {
    // SAFETY: it looks for the file by itself, and may be called from any method.
    unsafe { sys::devfs_clear_cdevpriv() }
}
