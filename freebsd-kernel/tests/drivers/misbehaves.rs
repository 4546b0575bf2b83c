//! A driver that misbehaves in safe code. The tunable hw.example.way selects how.
#![no_std]
#![forbid(unsafe_code)]

use core::mem;
use freebsd_kernel::getenv::getenv_ulong;
use freebsd_kernel::ioctl::{io, ior};
use freebsd_kernel::malloc::KBox;
use freebsd_kernel::prelude::*;

const NEVER_COUNTS: usize = 1;
const COUNTS_TWICE: usize = 2;
const FORGETS_A_GUARD: usize = 3;
const KEEPS_NOTHING: usize = 4;
const PANICS: usize = 5;
const REFUSES_EVERY_OPEN: usize = 6;
const FORGETS_A_FILE: usize = 7;
const SLEEPS_WHILE_DYING: usize = 8;
const RECORDS_TOO_OFTEN: usize = 9;
const CONFUSES_AN_ARGUMENT: usize = 10;
const LOCKS_TWICE: usize = 11;

struct Example {
    way: usize,
}

struct State {
    files: usize,
}

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = State;
    type Cdevpriv = KBox<usize>;

    fn load() -> Result<(Self, State)> {
        let way = getenv_ulong(c"hw.example.way", 0);
        Ok((Self { way }, State { files: 0 }))
    }

    fn open(softc: &Softc<Self>, fflag: c_int) -> Result<Option<KBox<usize>>> {
        let file = KBox::new(fflag as usize);
        let mut state = softc.sx_xlock();
        state.files += match softc.way {
            NEVER_COUNTS => 0,
            COUNTS_TWICE => 2,
            _ => 1,
        };
        match softc.way {
            KEEPS_NOTHING => Ok(None),
            REFUSES_EVERY_OPEN => Err(Errno::EBUSY),
            _ => Ok(Some(file)),
        }
    }

    fn close(state: &mut Exclusive<'_, Self>, file: KBox<usize>) {
        state.files = state.files.wrapping_sub(1);
        if state.softc().way == FORGETS_A_FILE {
            mem::forget(file);
        }
    }

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        match softc.way {
            PANICS => panic!("as it should not"),
            FORGETS_A_GUARD => mem::forget(softc.sx_xlock()),
            LOCKS_TWICE => {
                let _one = softc.sx_xlock();
                let _other = softc.sx_xlock();
            }
            SLEEPS_WHILE_DYING => {
                let mut state = softc.sx_xlock();
                while uio.resid() != 0 {
                    state = state.sx_sleep(Side::Read, c"forever")?;
                }
            }
            _ => uio.uiomove(b"x")?,
        }
        Ok(())
    }

    fn write(_softc: &Softc<Self>, uio: &mut WriteUio<'_>, _ioflag: c_int) -> Result {
        uio.uiomove(&mut [0])
    }

    fn ioctl(softc: &Softc<Self>, cmd: u64, data: &mut Data<'_>, _fflag: c_int) -> Result {
        const COUNT: u64 = ior::<u64>(b'X', 1);
        const CONFUSED: u64 = io(b'X', 2);
        match cmd {
            COUNT => data.set(softc.sx_slock().files as u64),
            CONFUSED if softc.way == CONFUSES_AN_ARGUMENT => data.set(u64::MAX),
            _ => return Err(Errno::ENOTTY),
        }
        Ok(())
    }

    fn poll(softc: &Softc<Self>, _events: c_int, poll: &Poll) -> c_int {
        let state = softc.sx_slock();
        let times = if softc.way == RECORDS_TOO_OFTEN { 3 } else { 1 };
        for _ in 0..times {
            state.selrecord(Side::Read, poll);
        }
        0
    }

    fn read_event(_state: &Locked<'_, Self>, kn: &mut Knote<'_>) -> bool {
        kn.set_fflags(-1);
        kn.clear_eof();
        true
    }
}

freebsd_kernel::driver!(Example);
