//! /dev/example, which every user may open, and which has no data.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    const MODE: c_int = 0o666;
    type State = ();
    type Cdevpriv = usize;

    fn load() -> Result<(Self, ())> {
        Ok((Self, ()))
    }

    fn read(_softc: &Softc<Self>, _uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        Ok(())
    }
}

freebsd_kernel::driver!(Example);
