//! Each open file counts its own reads, and a read returns the count. The device counts its open
//! files, and allows two.
#![no_std]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU8, Ordering};
use freebsd_kernel::malloc::KBox;
use freebsd_kernel::prelude::*;

struct Example;

struct File {
    reads: AtomicU8,
}

impl Driver for Example {
    const NAME: &'static CStr = c"example";
    type State = usize;
    type Cdevpriv = KBox<File>;

    fn load() -> Result<(Self, usize)> {
        Ok((Self, 0))
    }

    fn open(softc: &Softc<Self>, _fflag: c_int) -> Result<Option<KBox<File>>> {
        let file = KBox::new(File {
            reads: AtomicU8::new(0),
        });
        let mut files = softc.sx_xlock();
        if *files == 2 {
            return Err(Errno::EBUSY);
        }
        *files += 1;
        Ok(Some(file))
    }

    fn close(files: &mut Exclusive<'_, Self>, _file: KBox<File>) {
        **files -= 1;
    }

    fn read(softc: &Softc<Self>, uio: &mut ReadUio<'_>, _ioflag: c_int) -> Result {
        let file = softc.cdevpriv(uio).ok_or(Errno::ENXIO)?;
        let reads = file.reads.fetch_add(1, Ordering::Relaxed) + 1;
        uio.uiomove(&[reads])
    }
}

freebsd_kernel::driver!(Example);
