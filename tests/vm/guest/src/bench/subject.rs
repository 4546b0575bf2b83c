//! The subjects of measurements, and their two ends.

use crate::agent::DEVICE;
use crate::freebsd::files::{self, Iovec};
use crate::freebsd::kernel;
use crate::modules;
use core::ffi::CStr;
use core::fmt;
use suite::abi::{ECHODEV_SBUFSIZE, O_NONBLOCK, O_RDWR};
use suite::errno::EWOULDBLOCK;
use suite::sys::Fd;

pub use crate::freebsd::Result;

/// The largest request.
pub const REQUEST_MAX: usize = 64 << 10;

/// A FIFO.
pub enum Subject {
    /// The module under test.
    Echodev,
    /// The C driver.
    Baseline,
    /// pipe(2)
    Pipe,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Echodev => "echodev",
            Self::Baseline => "C driver",
            Self::Pipe => "pipe",
        })
    }
}

impl Subject {
    /// Loads its module, if it has one.
    pub fn load(&self) -> Result<Option<i32>> {
        match self {
            Self::Echodev => kernel::kldload(modules::TESTED).map(Some),
            Self::Baseline => kernel::kldload(modules::OTHER).map(Some),
            Self::Pipe => Ok(None),
        }
    }

    /// Its device, if it is one.
    pub fn device(&self) -> Option<&'static CStr> {
        match self {
            Self::Echodev | Self::Baseline => Some(DEVICE),
            Self::Pipe => None,
        }
    }

    /// An empty subject with a capacity of `size` bytes. A pipe grows by itself.
    pub fn ends(&self, size: usize) -> Result<Ends> {
        let Some(device) = self.device() else {
            let (read, write) = files::pipe()?;
            return Ok(Ends { read, write });
        };
        let fd = files::open(device, O_RDWR)?;
        let ends = Ends {
            read: fd,
            write: fd,
        };
        // SAFETY: the request only reads a size_t.
        unsafe { files::ioctl(fd, ECHODEV_SBUFSIZE, &raw const size as usize) }?;
        Ok(ends)
    }
}

/// Both ends, which are closed when dropped.
pub struct Ends {
    /// The end for reading.
    pub read: Fd,
    /// The end for writing. A device has one descriptor for both.
    pub write: Fd,
}

impl Ends {
    /// Makes calls fail that would wait.
    pub fn nonblocking(self) -> Result<Self> {
        files::set_flags(self.write, O_RDWR | O_NONBLOCK)?;
        files::set_flags(self.read, O_RDWR | O_NONBLOCK)?;
        Ok(self)
    }

    /// read(2) of at most `len` bytes, which are dropped.
    pub fn read(&self, len: usize) -> Result<usize> {
        static mut INTO: [u8; REQUEST_MAX] = [0; REQUEST_MAX];
        // SAFETY: the bytes are never used, so every call may read to the same place.
        unsafe {
            files::read(
                self.read,
                Iovec {
                    base: &raw mut INTO as usize,
                    len: len.min(REQUEST_MAX),
                },
            )
        }
    }

    /// write(2) of at most `len` bytes.
    pub fn write(&self, len: usize) -> Result<usize> {
        static FROM: [u8; REQUEST_MAX] = [0x5a; REQUEST_MAX];
        files::write(
            self.write,
            Iovec {
                base: &raw const FROM as usize,
                len: len.min(REQUEST_MAX),
            },
        )
    }

    /// Writes all of `len` bytes.
    pub fn write_all(&self, mut len: usize) -> Result<()> {
        while len > 0 {
            len -= self.write(len)?;
        }
        Ok(())
    }

    /// Reads all bytes held. The ends do not block.
    pub fn empty(&self) -> Result<()> {
        loop {
            match self.read(REQUEST_MAX) {
                Ok(_) => {}
                Err(EWOULDBLOCK) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // They were open, so closing them does not fail.
        let _ = files::close(self.read);
        if self.write != self.read {
            let _ = files::close(self.write);
        }
    }
}
