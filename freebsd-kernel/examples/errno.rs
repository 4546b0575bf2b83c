//! A device that needs write access for what changes it, and whose numbers have one byte.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::ioctl::iow;
use freebsd_kernel::prelude::*;

const SET: u64 = iow::<u32>(b'X', 1);

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = u8;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, u8)> {
        Ok((Self, 0))
    }

    fn ioctl(softc: &Softc<Self>, cmd: u64, data: &mut Data<'_>, fflag: c_int) -> Result {
        match cmd {
            SET if fflag & FWRITE == 0 => Err(Errno::EPERM),
            SET => {
                // A number that does not fit is EOVERFLOW.
                *softc.sx_xlock() = u8::try_from(data.get::<u32>())?;
                Ok(())
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}

freebsd_kernel::driver!(Example);
