//! Descriptors: open, close, dup, fcntl, revoke.

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::syscall::{FIOASYNC, FIONBIO, Fd, O_ACCMODE, O_ASYNC, O_NONBLOCK};
use crate::dev::Dev;
use crate::dev::fdtable::FdTable;
use crate::dev::file::{FCNTLFLAGS, File};
use crate::kern::thread::Thread;
use crate::machine::sync::atomic::Ordering::SeqCst;

impl Process {
    /// open(2) of a device: `path` is `/dev/` and its name.
    ///
    /// # Errors
    ///
    /// EINVAL: the access mode is none. ENOENT: no such device (with O_CREAT EOPNOTSUPP: devfs
    /// creates no files). EEXIST: O_CREAT|O_EXCL. ENOTDIR: O_DIRECTORY. ENXIO: the device is being
    /// destroyed. EMFILE: too many are open. Errors of the device's d_open.
    pub fn open(&self, path: &str, flags: i32) -> Result<Fd, Errno> {
        if flags & O_ACCMODE == O_ACCMODE {
            return Err(Errno::EINVAL);
        }
        self.call("open", |td| {
            let file = Dev::of(td.kernel()).devfs.open(td, path, flags)?;
            let installed = self.proc().files.lock().install(file);
            // Not installed, it is closed here, with the table unlocked.
            installed.map_err(|(error, _file)| error)
        })
    }

    /// close(2).
    ///
    /// # Errors
    ///
    /// EBADF. The descriptor is closed in all other cases. ENXIO: the device was destroyed, but its
    /// vnode is not yet doomed. Errors of the device's d_close.
    pub fn close(&self, fd: Fd) -> Result<(), Errno> {
        self.call("close", |td| {
            // With the table locked, so that no thread gets the descriptor, and attaches knotes to
            // it, before it is clean.
            let mut files = self.proc().files.lock();
            let file = files.remove(fd)?;
            for kq in files.kqueues() {
                kq.fd_closed(td, fd as usize)?;
            }
            drop(files);
            match file.release() {
                Err(Errno::ERESTART) => Err(Errno::EINTR),
                result => result,
            }
        })
    }

    /// dup(2).
    ///
    /// # Errors
    ///
    /// EBADF, EMFILE.
    pub fn dup(&self, fd: Fd) -> Result<Fd, Errno> {
        self.call("dup", |_td| {
            let file = self.file(fd)?;
            let installed = self.proc().files.lock().install(file);
            installed.map_err(|(error, _file)| error)
        })
    }

    /// dup2(2).
    ///
    /// # Errors
    ///
    /// EBADF: `fd` is not open, or `to` out of range.
    pub fn dup2(&self, fd: Fd, to: Fd) -> Result<Fd, Errno> {
        self.call("dup2", |td| {
            let file = self.file(fd)?;
            if !FdTable::in_range(to) {
                return Err(Errno::EBADF);
            }
            if fd == to {
                return Ok(to);
            }
            let mut files = self.proc().files.lock();
            let before = files.replace(to, file);
            if before.is_some() {
                for kq in files.kqueues() {
                    kq.fd_closed(td, to as usize)?;
                }
            }
            drop(files);
            // The file that was there is closed here, with the table unlocked.
            drop(before);
            Ok(to)
        })
    }

    /// fcntl(2), `F_GETFL`: the access mode and status flags.
    ///
    /// # Errors
    ///
    /// EBADF.
    pub fn getfl(&self, fd: Fd) -> Result<i32, Errno> {
        self.call("fcntl", |_td| Ok(self.file(fd)?.flag.load(SeqCst) - 1))
    }

    /// fcntl(2), `F_SETFL`: the status flags `O_NONBLOCK`, `O_APPEND`, `O_ASYNC`. Other flags are
    /// ignored.
    ///
    /// # Errors
    ///
    /// EBADF. Errors of the device for FIONBIO and FIOASYNC, both of which it gets. As in FreeBSD,
    /// if it refuses FIOASYNC, `O_ASYNC` stays set and `O_NONBLOCK` is cleared.
    pub fn setfl(&self, fd: Fd, flags: i32) -> Result<(), Errno> {
        self.call("fcntl", |td| {
            let file = self.file(fd)?;
            let change = |flag| Some(flag & !FCNTLFLAGS | flags & FCNTLFLAGS);
            // The closure always returns a value.
            let _ = file.flag.fetch_update(SeqCst, SeqCst, change);
            pass_flag(td, &file, FIONBIO, O_NONBLOCK)?;
            let refused = pass_flag(td, &file, FIOASYNC, O_ASYNC);
            if refused.is_err() {
                file.flag.fetch_and(!O_NONBLOCK, SeqCst);
                match pass_flag(td, &file, FIONBIO, O_NONBLOCK) {
                    Err(Errno::PANICKED) => return Err(Errno::PANICKED),
                    // FreeBSD also ignores this result.
                    _ => return refused,
                }
            }
            refused
        })
    }

    /// revoke(2): closes the device under all descriptors of all processes that have it open. These
    /// then behave as on a device that was destroyed.
    ///
    /// # Errors
    ///
    /// ENOENT.
    pub fn revoke(&self, path: &str) -> Result<(), Errno> {
        self.call("revoke", |td| Dev::of(td.kernel()).devfs.revoke(td, path))
    }
}

/// Passes the state of a flag to the device, by an ioctl(2) with an int.
fn pass_flag(td: &Thread, file: &File, request: u64, flag: i32) -> Result<(), Errno> {
    let mut value = file.flag.load(SeqCst) & flag;
    Errno::check(file.ioctl(td, request, (&raw mut value).cast())?.0)
}
