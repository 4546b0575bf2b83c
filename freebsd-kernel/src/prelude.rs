//! What every driver uses.

pub use crate::driver::Driver;
pub use crate::errno::{Errno, Result};
pub use crate::ioctl::Data;
pub use crate::kqueue::{Knote, Locked};
pub use crate::selrecord::Poll;
pub use crate::softc::{Side, Softc};
pub use crate::sx::{Exclusive, Shared};
pub use crate::uio::{ReadUio, WriteUio};
pub use core::ffi::{CStr, c_int};
pub use freebsd_kernel_sys::{
    FREAD, FWRITE, O_NONBLOCK, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM,
};
