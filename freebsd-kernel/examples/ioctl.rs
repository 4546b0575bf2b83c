//! A number that programs get and set by ioctl(2).
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::ioctl::{io, ior, iow};
use freebsd_kernel::prelude::*;

const GET: u64 = ior::<u32>(b'X', 1);
const SET: u64 = iow::<u32>(b'X', 2);
const CLEAR: u64 = io(b'X', 3);

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = u32;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, u32)> {
        Ok((Self, 7))
    }

    fn ioctl(softc: &Softc<Self>, cmd: u64, data: &mut Data<'_>, _fflag: c_int) -> Result {
        match cmd {
            GET => data.set(*softc.sx_slock()),
            SET => *softc.sx_xlock() = data.get(),
            CLEAR => *softc.sx_xlock() = 0,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(())
    }
}

freebsd_kernel::driver!(Example);
