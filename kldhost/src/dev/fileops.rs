//! The operations on an open file: `struct fileops` of devices and kqueues.
//!
//! The kernel itself answers calls on a device that was destroyed. read(2) and write(2) fail with
//! EIO and kevent(2) with ENXIO. poll(2) returns POLLHUP. ioctl(2) fails with ENXIO, or with ENOTTY
//! once the vnode is doomed.

use std::ffi::c_int;

use super::device::{DevFile, with_file};
use super::file::{File, Kind};
use crate::abi::errno::Errno;
use crate::abi::layout::{Cdevsw, D_TYPEMASK, Knote, UIO_READ, Uio};
use crate::abi::syscall::*;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::fault::copy_user;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::usermem::is_user_region;

/// `DEVFS_IOSIZE_MAX`: more cannot be moved at once.
const IOSIZE_MAX: isize = i32::MAX as isize;
/// `O_DIRECT` as devices see it, `IO_DIRECT`.
const IO_DIRECT: i32 = 0x10;
const O_DIRECT: i32 = 0x0001_0000;
const O_FSYNC: i32 = 0x80;
/// `POLLSTANDARD`.
const POLLSTANDARD: i16 = POLLIN
    | POLLPRI
    | POLLOUT
    | POLLRDNORM
    | POLLRDBAND
    | POLLWRBAND
    | POLLERR
    | POLLHUP
    | POLLNVAL;

impl File {
    /// `fo_read` or `fo_write`, depending on `uio`. 0 or an errno.
    pub fn move_data(&self, td: &Thread, uio: &mut Uio) -> Result<Errno, Stop> {
        let Some(device) = self.device() else {
            return Ok(Errno::EOPNOTSUPP);
        };
        if uio.uio_resid > IOSIZE_MAX {
            return Ok(Errno::EINVAL);
        }
        let Some(inside) = device.enter(td) else {
            return Ok(Errno::EIO);
        };
        let is_read = uio.uio_rw == UIO_READ;
        let mut ioflag =
            self.flag.load(SeqCst) & (O_NONBLOCK | O_DIRECT | if is_read { 0 } else { O_FSYNC });
        if ioflag & O_DIRECT != 0 {
            ioflag |= IO_DIRECT;
        }
        let (name, method) = if is_read {
            ("d_read", inside.sw.d_read)
        } else {
            ("d_write", inside.sw.d_write)
        };
        let args = [
            inside.cdev(),
            std::ptr::from_mut(uio).addr(),
            ioflag as usize,
            0,
            0,
        ];
        Ok(Errno(with_file(td, self, || {
            inside.call(name, method, Errno::ENODEV, args)
        })?))
    }

    /// `fo_ioctl`, with the data in kernel memory. 0 or an errno.
    pub fn ioctl(&self, td: &Thread, request: u64, data: *mut u8) -> Result<Errno, Stop> {
        let Some(device) = self.device() else {
            return Ok(Errno::ENOTTY);
        };
        if device.is_doomed() {
            return Ok(Errno::ENOTTY);
        }
        let Some(inside) = device.enter(td) else {
            return Ok(Errno::ENXIO);
        };
        if request == FIODTYPE {
            // SAFETY: the data of this request is an int.
            unsafe {
                data.cast::<u32>()
                    .write_unaligned(inside.sw.d_flags & D_TYPEMASK)
            };
            return Ok(Errno(0));
        }
        if request == FIODGNAME {
            // SAFETY: the data of this request is a fiodgname_arg.
            return Ok(device_name(&device.device.name, unsafe {
                data.cast::<FiodgnameArg>().read_unaligned()
            }));
        }
        let flags = self.flag.load(SeqCst) as usize;
        let args = [
            inside.cdev(),
            request as usize,
            data.addr(),
            flags,
            td.addr(),
        ];
        let error = Errno(with_file(td, self, || {
            inside.call("d_ioctl", inside.sw.d_ioctl, Errno::ENODEV, args)
        })?);
        Ok(if error == Errno::ENOIOCTL {
            Errno::ENOTTY
        } else {
            error
        })
    }

    /// `fo_poll`: the events found.
    pub fn poll(&self, td: &Thread, events: i16) -> Result<i16, Stop> {
        let device = match &self.kind {
            Kind::Device(device) => device,
            Kind::Kqueue(kq) => return kq.poll(td, events),
        };
        let Some(inside) = device.enter(td) else {
            return Ok(dead_poll(events));
        };
        if inside.sw.d_poll == 0 {
            return Ok(no_poll(events));
        }
        let args = [inside.cdev(), c_int::from(events) as usize, td.addr(), 0, 0];
        Ok(with_file(td, self, || {
            inside.call("d_poll", inside.sw.d_poll, Errno(0), args)
        })? as i16)
    }
}

impl DevFile {
    /// `fo_kqfilter`: has the device attach a knote. 0 or an errno.
    pub fn kqfilter(&self, td: &Thread, file: &File, kn: *mut Knote) -> Result<c_int, Stop> {
        let Some(inside) = self.enter(td) else {
            return Ok(Errno::ENXIO.0);
        };
        let sw: &Cdevsw = inside.sw;
        with_file(td, file, || {
            inside.call(
                "d_kqfilter",
                sw.d_kqfilter,
                Errno::ENODEV,
                [inside.cdev(), kn.addr(), 0, 0, 0],
            )
        })
    }
}

/// The events of poll(2) on a device that was destroyed.
fn dead_poll(events: i16) -> i16 {
    if events & !POLLSTANDARD != 0 {
        POLLNVAL
    } else {
        POLLHUP | (events & (POLLIN | POLLRDNORM))
    }
}

/// The events of poll(2) on a device without d_poll.
fn no_poll(events: i16) -> i16 {
    if events & !POLLSTANDARD != 0 {
        POLLNVAL
    } else {
        events & (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM)
    }
}

/// `struct fiodgname_arg`.
#[repr(C)]
struct FiodgnameArg {
    len: c_int,
    buf: *mut u8,
}

fn device_name(name: &str, arg: FiodgnameArg) -> Errno {
    let text = [name.as_bytes(), b"\0"].concat();
    if text.len() as i64 > i64::from(arg.len) {
        return Errno::EINVAL;
    }
    if !is_user_region(arg.buf.addr(), text.len()) {
        return Errno::EFAULT;
    }
    // SAFETY: the target is user memory, which may fault.
    let copied = unsafe { copy_user(arg.buf, text.as_ptr(), text.len()) };
    if copied.is_ok() {
        Errno(0)
    } else {
        Errno::EFAULT
    }
}
