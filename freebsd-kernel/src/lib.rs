//! Safe wrappers of the FreeBSD kernel functions that a character device driver calls.
//!
//! A driver implements [`driver::Driver`] in safe code, and lists itself by [`driver!`]. Whatever
//! it does, the worst result is a wrong byte, a wrong errno, a deadlock or panic(9). The crate owns
//! what keeps memory valid: the softc, the open files and their destructors, and the order of
//! unloading.
//!
//! Each file wraps one manual page of section 9 and has an example. The examples are whole
//! drivers, which the tests load and run.
//!
//! * An [`Exclusive`](sx::Exclusive) or [`Shared`](sx::Shared) guard proves that the lock is held.
//!   It is the only way to the state. Only the exclusive guard can wake up and notify.
//! * Sleeping takes the guard by value, so the state must be read again afterwards.
//! * Only d_poll has a [`Poll`](selrecord::Poll), without which no thread can be recorded.
//! * A uio is either read or written: [`ReadUio`](uio::ReadUio), [`WriteUio`](uio::WriteUio).
//!
//! Functions and types have the names that they have in the kernel. Where a wrapper does more, as
//! [`sx_sleep`](sx::Exclusive::sx_sleep) does, its documentation lists all that it calls. `c/` has
//! the C that every driver needs, and its names begin with `kpi_`. Functions that a driver's tables
//! name begin with `driver_`. `c/freebsd_kernel.h` declares what the C file of a driver defines.
#![no_std]

#[doc(hidden)]
pub mod cdevsw;
pub mod devfs_set_cdevpriv;
pub mod driver;
pub mod errno;
pub mod getenv;
pub mod ioctl;
pub mod kqueue;
pub mod make_dev;
pub mod malloc;
pub mod module;
mod panic;
pub mod prelude;
pub mod selrecord;
pub mod sleep;
pub mod softc;
pub mod sx;
pub mod uio;

#[doc(hidden)]
pub use freebsd_kernel_sys as sys;

use core::ffi::c_char;

/// `struct kpi_driver` in `c/freebsd_kernel.h`.
#[repr(C)]
pub(crate) struct Tables {
    pub(crate) name: *const c_char,
    pub(crate) cdevsw: *mut sys::cdevsw,
    pub(crate) malloc_type: *mut sys::malloc_type,
    read_filterops: *const sys::filterops,
    write_filterops: *const sys::filterops,
}

// SAFETY: the struct is constant, and the kernel locks what it points to.
unsafe impl Sync for Tables {}

/// What the C file of the driver defines.
pub(crate) fn tables() -> &'static Tables {
    unsafe extern "C" {
        static kpi_driver: Tables;
    }
    // SAFETY: the C file defines it as a constant.
    unsafe { &kpi_driver }
}

/// Defines the functions that the tables of the C file name, for the one driver of a module. On
/// other systems than the kernel, it only checks that the type is a driver.
#[macro_export]
macro_rules! driver {
    ($driver:ty) => {
        const _: () = {
            const fn is_driver<D: $crate::driver::Driver>() {}
            is_driver::<$driver>();
        };

        #[cfg(target_os = "none")]
        const _: () = {
            use ::core::ffi::{c_int, c_long, c_ulong, c_void};
            use $crate::sys::{cdev, knote, thread, uio};
            $crate::export! { $driver:
                driver_load = module::load() -> c_int;
                driver_unload = module::unload();
                driver_open = cdevsw::open(dev: *mut cdev, fflag: c_int; c_int, *mut thread) -> c_int;
                driver_close = cdevsw::close(dev: *mut cdev, fflag: c_int; c_int, *mut thread) -> c_int;
                driver_read = cdevsw::read(dev: *mut cdev, uio: *mut uio, ioflag: c_int) -> c_int;
                driver_write = cdevsw::write(dev: *mut cdev, uio: *mut uio, ioflag: c_int) -> c_int;
                driver_ioctl = cdevsw::ioctl(
                    dev: *mut cdev, cmd: c_ulong, data: *mut c_void, fflag: c_int; *mut thread
                ) -> c_int;
                driver_poll = cdevsw::poll(dev: *mut cdev, events: c_int, td: *mut thread) -> c_int;
                driver_kqfilter = cdevsw::kqfilter(dev: *mut cdev, kn: *mut knote) -> c_int;
                driver_dtor = devfs_set_cdevpriv::dtor(kept: *mut c_void);
                driver_detach = kqueue::f_detach(kn: *mut knote);
                driver_read_event = kqueue::read_event(kn: *mut knote, hint: c_long) -> c_int;
                driver_write_event = kqueue::write_event(kn: *mut knote, hint: c_long) -> c_int;
            }
        };
    };
}

/// Each function of C's that [`driver!`] defines: its name, the function of this crate that it
/// calls for the driver, the arguments that it passes, and after a semicolon those that it does not.
#[doc(hidden)]
#[macro_export]
macro_rules! export {
    ($driver:ty: $(
        $name:ident = $module:ident::$function:ident(
            $($used:ident: $type:ty),* $(; $($unused:ty),*)?
        ) $(-> $result:ty)?;
    )*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($used: $type,)* $($(_: $unused),*)?) $(-> $result)? {
            // SAFETY: the tables of the C file name this function for the kernel to call.
            unsafe { $crate::$module::$function::<$driver>($($used),*) }
        }
    )*};
}
