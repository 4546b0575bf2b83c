//! A mailbox for one byte. A read waits until it is full, and a write until it is empty.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = Option<u8>;
    type Cdevpriv = usize;

    fn load() -> Result<(Self, Option<u8>)> {
        Ok((Self, None))
    }

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, ioflag: c_int) -> Result {
        let mut mail = softc.sx_xlock_sig()?;
        let byte = loop {
            match *mail {
                Some(byte) => break byte,
                None => mail = wait(mail, Side::Read, ioflag)?,
            }
        };
        uio.uiomove(&[byte])?;
        *mail = None;
        mail.wakeup_one(Side::Write);
        Ok(())
    }

    fn write(softc: &Softc<Self>, uio: &mut WriteUio<'_>, ioflag: c_int) -> Result {
        let mut mail = softc.sx_xlock_sig()?;
        while uio.resid() != 0 {
            while mail.is_some() {
                mail = wait(mail, Side::Write, ioflag)?;
            }
            let mut byte = [0];
            uio.uiomove(&mut byte)?;
            *mail = Some(byte[0]);
            mail.wakeup_one(Side::Read);
        }
        Ok(())
    }
}

fn wait<'a>(
    mail: Exclusive<'a, Example>,
    side: Side,
    ioflag: c_int,
) -> Result<Exclusive<'a, Example>> {
    // No thread may sleep once the device is going away.
    mail.check_dying()?;
    if ioflag & O_NONBLOCK != 0 {
        return Err(Errno::EWOULDBLOCK);
    }
    mail.sx_sleep(side, c"mail")
}

freebsd_kernel::driver!(Example);
