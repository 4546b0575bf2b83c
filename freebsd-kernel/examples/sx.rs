//! Counts the bytes of all writes, under the lock. A read returns the count, in decimal.
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

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        let count = *softc.sx_slock();
        uio.uiomove(&[
            b'0' + (count / 10 % 10) as u8,
            b'0' + (count % 10) as u8,
            b'\n',
        ])
    }

    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        let mut discarded = [0; 64];
        // The guard unlocks at the end of the function, also if a move fails.
        let mut count = softc.sx_xlock_sig()?;
        while uio.resid() != 0 {
            let n = uio.resid().min(discarded.len());
            uio.uiomove(&mut discarded[..n])?;
            *count += n;
        }
        Ok(())
    }
}

freebsd_kernel::driver!(Example);
