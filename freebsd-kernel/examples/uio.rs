//! Each read returns the same line, or as much of it as was requested.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = ();
    type Cdevpriv = usize;

    fn load() -> Result<(Self, ())> {
        Ok((Self, ()))
    }

    fn read(_softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(b"hello, world\n")
    }

    fn write(_softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        let mut discarded = [0; 64];
        while uio.resid() != 0 {
            uio.uiomove(&mut discarded)?;
        }
        Ok(())
    }
}

freebsd_kernel::driver!(Example);
