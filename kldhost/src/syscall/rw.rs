//! read(2), write(2) and their variants.

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::layout::{Iovec, UIO_READ, UIO_USERSPACE, UIO_WRITE, Uio};
use crate::abi::syscall::Fd;
use crate::dev::file::FileRef;
use crate::kern::thread::Thread;
use crate::machine::sync::atomic::Ordering::Relaxed;
use crate::machine::usermem::{UserIn, UserOut};

/// `UIO_MAXIOV`.
const MAXIOV: usize = 1024;
/// `IOSIZE_MAX`.
const IOSIZE_MAX: usize = isize::MAX as usize;

impl Process {
    /// read(2). Returns the number of bytes, 0 at end of file.
    ///
    /// # Errors
    ///
    /// EBADF: not open for reading. EIO: the device was destroyed. EINVAL: more than INT_MAX bytes.
    /// Errors of the device's d_read. EINTR, ERESTART and EWOULDBLOCK become a short count if bytes
    /// were moved.
    pub fn read<'a>(&self, fd: Fd, buf: impl Into<UserOut<'a>>) -> Result<usize, Errno> {
        let buf = buf.into();
        self.transfer("read", fd, UIO_READ, &[out_iovec(&buf)], None)
    }

    /// write(2). Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// As for [`Process::read`], of writing.
    pub fn write<'a>(&self, fd: Fd, buf: impl Into<UserIn<'a>>) -> Result<usize, Errno> {
        self.transfer("write", fd, UIO_WRITE, &[in_iovec(&buf.into())], None)
    }

    /// readv(2).
    ///
    /// # Errors
    ///
    /// As for [`Process::read`]. EINVAL also: more than 1024 segments.
    pub fn readv(&self, fd: Fd, bufs: &mut [UserOut<'_>]) -> Result<usize, Errno> {
        let iovecs: Vec<Iovec> = bufs.iter().map(out_iovec).collect();
        self.transfer("readv", fd, UIO_READ, &iovecs, None)
    }

    /// writev(2).
    ///
    /// # Errors
    ///
    /// As for [`Process::write`]. EINVAL also: more than 1024 segments.
    pub fn writev(&self, fd: Fd, bufs: &[UserIn<'_>]) -> Result<usize, Errno> {
        let iovecs: Vec<Iovec> = bufs.iter().map(in_iovec).collect();
        self.transfer("writev", fd, UIO_WRITE, &iovecs, None)
    }

    /// pread(2). Any offset will do for a device.
    ///
    /// # Errors
    ///
    /// As for [`Process::read`]. ESPIPE: a kqueue.
    pub fn pread<'a>(
        &self,
        fd: Fd,
        buf: impl Into<UserOut<'a>>,
        offset: i64,
    ) -> Result<usize, Errno> {
        let buf = buf.into();
        self.transfer("pread", fd, UIO_READ, &[out_iovec(&buf)], Some(offset))
    }

    /// pwrite(2). Any offset will do for a device.
    ///
    /// # Errors
    ///
    /// As for [`Process::write`]. ESPIPE: a kqueue.
    pub fn pwrite<'a>(
        &self,
        fd: Fd,
        buf: impl Into<UserIn<'a>>,
        offset: i64,
    ) -> Result<usize, Errno> {
        self.transfer(
            "pwrite",
            fd,
            UIO_WRITE,
            &[in_iovec(&buf.into())],
            Some(offset),
        )
    }

    fn transfer(
        &self,
        name: &'static str,
        fd: Fd,
        rw: i32,
        iovecs: &[Iovec],
        offset: Option<i64>,
    ) -> Result<usize, Errno> {
        if iovecs.len() > MAXIOV {
            return Err(Errno::EINVAL);
        }
        let add = |sum: usize, iovec: &Iovec| {
            sum.checked_add(iovec.iov_len)
                .filter(|&sum| sum <= IOSIZE_MAX)
        };
        let total = iovecs.iter().try_fold(0, add).ok_or(Errno::EINVAL)?;
        self.call(name, |td| {
            let file = {
                let files = self.proc().files.lock();
                if rw == UIO_READ {
                    files.get_read(fd)
                } else {
                    files.get_write(fd)
                }
            }?;
            if offset.is_some() && file.device().is_none() {
                return Err(Errno::ESPIPE);
            }
            // Zero-length reads end here, zero-length writes do not.
            if rw == UIO_READ && total == 0 {
                return Ok(0);
            }
            // A copy, since the call may be restarted.
            match iovecs {
                [one] => move_data(td, &file, rw, &mut [*one], total, offset),
                many => move_data(td, &file, rw, &mut many.to_vec(), total, offset),
            }
        })
    }
}

/// `dofileread`, `dofilewrite`.
fn move_data(
    td: &Thread,
    file: &FileRef,
    rw: i32,
    iovecs: &mut [Iovec],
    total: usize,
    offset: Option<i64>,
) -> Result<usize, Errno> {
    let mut uio = Uio {
        uio_iov: iovecs.as_mut_ptr(),
        uio_iovcnt: iovecs.len() as i32,
        uio_offset: offset.unwrap_or_else(|| file.offset.load(Relaxed)),
        uio_resid: total as isize,
        uio_segflg: UIO_USERSPACE,
        uio_rw: rw,
        uio_td: std::ptr::from_ref(td).cast(),
    };
    let error = file.move_data(td, &mut uio)?;
    if offset.is_none() {
        file.offset.store(uio.uio_offset, Relaxed);
    }
    let moved = total - uio.uio_resid as usize;
    match error {
        Errno(0) => Ok(moved),
        Errno::ERESTART | Errno::EINTR | Errno::EWOULDBLOCK if moved != 0 => Ok(moved),
        error => Err(error),
    }
}

fn out_iovec(buf: &UserOut<'_>) -> Iovec {
    Iovec {
        iov_base: buf.addr(),
        iov_len: buf.len(),
    }
}

fn in_iovec(buf: &UserIn<'_>) -> Iovec {
    Iovec {
        iov_base: buf.addr().cast_mut(),
        iov_len: buf.len(),
    }
}
