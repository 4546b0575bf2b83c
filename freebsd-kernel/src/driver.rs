//! A character device driver: the methods of a cdevsw and of its kevent filters, cdevsw(9).
//!
//! A driver implements [`Driver`] and lists itself by [`driver!`](crate::driver!). Its C file has
//! the tables that the kernel reads, with the methods that `c/freebsd_kernel.h` declares:
//!
//! ```c
#![doc = include_str!("../examples/example.c")]
//! ```
//!
//! A table may leave out methods that its driver does not have.

use crate::devfs_set_cdevpriv::Cdevpriv;
use crate::errno::{Errno, Result};
use crate::ioctl::Data;
use crate::kqueue::{Knote, Locked};
use crate::selrecord::Poll;
use crate::softc::Softc;
use crate::sx::Exclusive;
use crate::uio::{ReadUio, WriteUio};
use core::ffi::{CStr, c_int};

/// A driver with one device.
///
/// A method that fails returns an errno. `fflag` are the flags of the open file (FREAD, FWRITE),
/// and `ioflag` those of the call (O_NONBLOCK).
pub trait Driver: Sized + Send + Sync + 'static {
    /// The name of the node in /dev, and of the lock for witness(4).
    const NAME: &'static CStr;

    /// The mode of the node, which belongs to root:wheel.
    const MODE: c_int = 0o600;

    /// What the lock of the device protects.
    type State: Send + Sync;

    /// What an open file keeps: a number or a [`KBox`](crate::malloc::KBox).
    type Cdevpriv: Cdevpriv;

    /// MOD_LOAD: returns the driver and the state of its device. The load fails with the errno.
    fn load() -> Result<(Self, Self::State)>;

    /// d_open: returns what the file keeps. A driver that counts on [`Driver::close`] has to
    /// return something.
    fn open(_softc: &Softc<Self>, _fflag: c_int) -> Result<Option<Self::Cdevpriv>> {
        Ok(None)
    }

    /// Gets back what an open file keeps, exactly once. d_close or the destructor of the file calls
    /// it, also if the file was revoked or the device is going away. The lock is held.
    fn close(_state: &mut Exclusive<'_, Self>, _kept: Self::Cdevpriv) {}

    /// A forced close, by revoke(2) or a forced unmount. The kernel calls it once for all files of
    /// one devfs mount, and does not report which.
    fn revoke(_softc: &Softc<Self>) {}

    /// d_read.
    fn read(_softc: &Softc<Self>, _uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        Err(Errno::ENODEV)
    }

    /// d_write.
    fn write(_softc: &Softc<Self>, _uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        Err(Errno::ENODEV)
    }

    /// d_ioctl.
    fn ioctl(_softc: &Softc<Self>, _cmd: u64, _data: &mut Data<'_>, _fflag: c_int) -> Result {
        Err(Errno::ENOTTY)
    }

    /// d_poll: returns those of `events` that are true, or records the thread.
    fn poll(_softc: &Softc<Self>, _events: c_int, _poll: &Poll) -> c_int {
        0
    }

    /// f_event of EVFILT_READ: sets the data and flags of the event, and returns whether it fires.
    /// While the device is going away, the event then reports EV_EOF with ENXIO. The kernel holds
    /// the lock, and a KNOTE also holds the mutex of the kqueue. So it must not allocate memory.
    fn read_event(_state: &Locked<'_, Self>, _kn: &mut Knote<'_>) -> bool {
        false
    }

    /// f_event of EVFILT_WRITE, as [`Driver::read_event`].
    fn write_event(_state: &Locked<'_, Self>, _kn: &mut Knote<'_>) -> bool {
        false
    }
}
