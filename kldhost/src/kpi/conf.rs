//! make_dev(9), destroy_dev(9), devfs_set_cdevpriv(9).

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::null_mut;

use super::varargs::{VaList, format, kpi_variadic};
use super::{arg, arg_mut, kpi};
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::dev::Dev;
use crate::dev::cdevpriv::PrivSlot;
use crate::dev::devfs::Devfs;
use crate::dev::device::file_in_method;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

/// Takes the arguments that make_dev(9) and its kind have in common, up to and including the
/// format; makes the device.
///
/// # Safety
///
/// `rest` must have the user, group and mode, a format, and its arguments.
unsafe fn make(
    td: &Thread,
    call: &str,
    mut args: MakeDevArgs,
    rest: &mut VaList,
) -> Result<Result<*mut Cdev, Errno>, Stop> {
    // SAFETY: as required of the caller.
    let name = unsafe {
        args.mda_uid = rest.next() as c_uint;
        args.mda_gid = rest.next() as c_uint;
        args.mda_mode = rest.next() as c_int;
        let text = rest.next() as *const c_char;
        format(text, rest)
    };
    devfs(td).make_dev(td, call, &args, &name)
}

fn devfs(td: &Thread) -> &Devfs {
    &Dev::of(td.kernel()).devfs
}

fn blank() -> MakeDevArgs {
    MakeDevArgs {
        mda_size: size_of::<MakeDevArgs>(),
        mda_flags: 0,
        mda_devsw: null_mut(),
        mda_cr: null_mut(),
        mda_uid: 0,
        mda_gid: 0,
        mda_mode: 0,
        mda_unit: 0,
        mda_si_drv1: null_mut(),
        mda_si_drv2: null_mut(),
    }
}

kpi_variadic! {
    fn make_dev_s(td, args) -> c_int {
        // SAFETY: the named arguments are these.
        let (given, result, text) = unsafe {
            (args.next() as *const MakeDevArgs, args.next() as *mut *mut Cdev, args.next() as *const c_char)
        };
        let given = arg(td, "make_dev_s", given)?;
        if given.mda_size > size_of::<MakeDevArgs>() {
            return Ok(Errno::EINVAL.0);
        }
        let result = arg_mut(td, "make_dev_s", result)?;
        // SAFETY: the arguments match the format.
        let name = unsafe { format(text, args) };
        match devfs(td).make_dev(td, "make_dev_s", given, &name)? {
            Ok(cdev) => *result = cdev,
            Err(error) => return Ok(error.0),
        }
        Ok(0)
    }

    fn make_dev(td, args) -> usize {
        // SAFETY: the named arguments are these, and those that `make` takes.
        let made = unsafe {
            let given = MakeDevArgs { mda_devsw: args.next() as *mut Cdevsw, mda_unit: args.next() as c_int, ..blank() };
            make(td, "make_dev", given, args)?
        };
        Ok(made.map_or(0, |cdev| cdev.addr()))
    }

    fn make_dev_cred(td, args) -> usize {
        // SAFETY: as above.
        let made = unsafe {
            let given = MakeDevArgs {
                mda_devsw: args.next() as *mut Cdevsw,
                mda_unit: args.next() as c_int,
                mda_cr: args.next() as *mut c_void,
                ..blank()
            };
            make(td, "make_dev_cred", given, args)?
        };
        Ok(made.map_or(0, |cdev| cdev.addr()))
    }

    fn make_dev_credf(td, args) -> usize {
        // SAFETY: as above.
        let made = unsafe {
            let given = MakeDevArgs {
                mda_flags: args.next() as c_int,
                mda_devsw: args.next() as *mut Cdevsw,
                mda_unit: args.next() as c_int,
                mda_cr: args.next() as *mut c_void,
                ..blank()
            };
            make(td, "make_dev_credf", given, args)?
        };
        Ok(made.map_or(0, |cdev| cdev.addr()))
    }

    fn make_dev_p(td, args) -> c_int {
        // SAFETY: as above.
        let (result, made) = unsafe {
            let flags = args.next() as c_int;
            let result = args.next() as *mut *mut Cdev;
            let given = MakeDevArgs {
                mda_flags: flags,
                mda_devsw: args.next() as *mut Cdevsw,
                mda_cr: args.next() as *mut c_void,
                ..blank()
            };
            (result, make(td, "make_dev_p", given, args)?)
        };
        match made {
            Ok(cdev) => *arg_mut(td, "make_dev_p", result)? = cdev,
            Err(error) => return Ok(error.0),
        }
        Ok(0)
    }
}

mod fixed {
    use super::*;

    kpi! {
        fn make_dev_args_init_impl(td, args: *mut MakeDevArgs, size: usize) -> () {
            let size = size.min(size_of::<MakeDevArgs>());
            *arg_mut(td, "make_dev_args_init_impl", args)? = MakeDevArgs { mda_size: size, ..blank() };
            Ok(())
        }

        fn destroy_dev(td, cdev: *const Cdev) -> () {
            devfs(td).destroy_dev(td, "destroy_dev", cdev)
        }

        fn delist_dev(td, cdev: *const Cdev) -> () {
            match devfs(td).device(cdev) {
                Some(device) => {
                    devfs(td).delist_dev(&device);
                    Ok(())
                }
                None => Err(td.misuse("delist_dev", "not a device", None)),
            }
        }

        fn devfs_set_cdevpriv(td, data: usize, destructor: usize) -> c_int {
            let Some(file) = file_in_method(td) else { return Ok(Errno::ENOENT.0) };
            let set = file.private.set(&file.device, data, destructor);
            Ok(set.map_or_else(|error| error.0, |()| 0))
        }

        fn devfs_get_cdevpriv(td, data: *mut usize) -> c_int {
            let Some(file) = file_in_method(td) else { return Ok(Errno::EBADF.0) };
            let Some(private) = file.private.get() else { return Ok(Errno::ENOENT.0) };
            *arg_mut(td, "devfs_get_cdevpriv", data)? = private;
            Ok(0)
        }

        fn devfs_clear_cdevpriv(td) -> () {
            match file_in_method(td) {
                Some(file) => file.private.destroy(td, &file.device),
                None => Ok(()),
            }
        }

        fn devfs_foreach_cdevpriv(td, cdev: *const Cdev, function: usize, argument: usize) -> c_int {
            match devfs(td).device(cdev) {
                Some(device) => PrivSlot::for_each(td, &device, function, argument),
                None => Err(td.misuse("devfs_foreach_cdevpriv", "not a device", None)),
            }
        }
    }
}

super::symbols!(
    make_dev_s,
    make_dev,
    make_dev_cred,
    make_dev_credf,
    make_dev_p
);
pub use fixed::SYMBOLS as FIXED_SYMBOLS;
