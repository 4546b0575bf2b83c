//! A count that each write of a byte raises and a read clears. kevent(2) returns it.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = usize;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, usize)> {
        Ok((Self, 0))
    }

    fn read(softc: &Softc<Self>, _uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        *softc.sx_xlock() = 0;
        Ok(())
    }

    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(&mut [0])?;
        let mut count = softc.sx_xlock();
        *count += 1;
        count.notify(Side::Read);
        Ok(())
    }

    fn read_event(count: &Locked<'_, Self>, kn: &mut Knote<'_>) -> bool {
        kn.set_data(**count);
        **count != 0
    }
}

freebsd_kernel::driver!(Example);
