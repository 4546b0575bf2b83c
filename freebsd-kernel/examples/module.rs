//! A module that does not load if the tunable hw.example.absent is 1, as without its hardware.
#![no_std]
#![forbid(unsafe_code)]

use freebsd_kernel::getenv::getenv_ulong;
use freebsd_kernel::prelude::*;

struct Example;

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = ();
    type Cdevpriv = usize;

    fn load() -> Result<(Self, ())> {
        match getenv_ulong(c"hw.example.absent", 0) {
            0 => Ok((Self, ())),
            _ => Err(Errno::ENXIO),
        }
    }
}

freebsd_kernel::driver!(Example);
