//! A write allocates memory for its data, and a read returns the data of the last write.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::malloc::KBytes;
use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = KBytes;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, KBytes)> {
        Ok((Self, KBytes::zeroed(0)?))
    }

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(softc.sx_slock().as_ref())
    }

    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        let mut bytes = KBytes::zeroed(uio.resid())?;
        uio.uiomove(bytes.as_mut())?;
        core::mem::swap(&mut *softc.sx_xlock(), &mut bytes);
        // The memory of the write before is freed here, without the lock.
        Ok(())
    }
}

freebsd_kernel::driver!(Example);
