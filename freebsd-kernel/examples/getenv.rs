//! A read returns as many bytes as the tunable hw.example.count sets, 0 to 64.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::getenv::getenv_ulong_max;
use freebsd_kernel::prelude::*;

struct Example {
    count: usize,
}

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = ();
    type Cdevpriv = usize;

    fn load() -> Result<(Self, ())> {
        let count = getenv_ulong_max(c"hw.example.count", 8, 64);
        Ok((Self { count }, ()))
    }

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(&[b'x'; 64][..softc.count])
    }
}

freebsd_kernel::driver!(Example);
