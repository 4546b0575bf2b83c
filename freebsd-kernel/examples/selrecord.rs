//! A flag that a write sets and a read clears. A program can poll(2) for it.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = bool;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, bool)> {
        Ok((Self, false))
    }

    fn read(softc: &Softc<Self>, _uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        *softc.sx_xlock() = false;
        Ok(())
    }

    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(&mut [0])?;
        let mut flag = softc.sx_xlock();
        *flag = true;
        flag.notify(Side::Read);
        Ok(())
    }

    fn poll(softc: &Softc<Self>, events: c_int, poll: &Poll) -> c_int {
        let flag = softc.sx_slock();
        if flag.dying() {
            return POLLHUP;
        }
        if *flag {
            return events & (POLLIN | POLLRDNORM);
        }
        flag.selrecord(Side::Read, poll);
        0
    }
}

freebsd_kernel::driver!(Example);
