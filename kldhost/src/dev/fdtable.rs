//! Descriptor tables, `struct filedesc`.

use super::file::{FREAD, FWRITE, FileRef, Kind};
use super::kqueue::{Copying, Kqueue};
use crate::abi::errno::Errno;
use crate::abi::syscall::Fd;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{Arc, SleepMutex};

/// Descriptors that a process may have open, `kern.maxfilesperproc`.
const LIMIT: usize = 4096;

/// The table of a process. Where a filter gets a `struct proc *`, it gets this address.
pub type Files = SleepMutex<FdTable>;

/// The open descriptors of a process.
#[derive(Default)]
pub struct FdTable {
    open: Vec<Option<FileRef>>,
}

impl FdTable {
    /// The file of `fd`; EBADF if there is none.
    pub fn get(&self, fd: Fd) -> Result<FileRef, Errno> {
        usize::try_from(fd)
            .ok()
            .and_then(|fd| self.open.get(fd)?.clone())
            .ok_or(Errno::EBADF)
    }

    /// As [`FdTable::get`], EBADF also if it is not open for reading.
    pub fn get_read(&self, fd: Fd) -> Result<FileRef, Errno> {
        self.get(fd).and_then(|file| {
            if file.has(FREAD) {
                Ok(file)
            } else {
                Err(Errno::EBADF)
            }
        })
    }

    /// As [`FdTable::get`], EBADF also if it is not open for writing.
    pub fn get_write(&self, fd: Fd) -> Result<FileRef, Errno> {
        self.get(fd).and_then(|file| {
            if file.has(FWRITE) {
                Ok(file)
            } else {
                Err(Errno::EBADF)
            }
        })
    }

    /// One more than the highest descriptor that is open.
    pub fn end(&self) -> Fd {
        self.open
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last as Fd + 1)
    }

    /// Puts a file at the lowest free descriptor; EMFILE if there is none.
    pub fn install(&mut self, file: FileRef) -> Result<Fd, (Errno, FileRef)> {
        let fd = self
            .open
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.open.len());
        if fd >= LIMIT {
            return Err((Errno::EMFILE, file));
        }
        self.put(fd, file);
        Ok(fd as Fd)
    }

    /// Whether `fd` may be the target of dup2(2).
    pub fn in_range(fd: Fd) -> bool {
        usize::try_from(fd).is_ok_and(|fd| fd < LIMIT)
    }

    /// Puts a file at a descriptor, and returns the file that was there.
    pub fn replace(&mut self, fd: Fd, file: FileRef) -> Option<FileRef> {
        self.put(fd as usize, file)
    }

    fn put(&mut self, fd: usize, file: FileRef) -> Option<FileRef> {
        if fd >= self.open.len() {
            self.open.resize_with(fd + 1, || None);
        }
        self.open[fd].replace(file)
    }

    /// Takes the file at `fd` out of the table; EBADF if there is none.
    pub fn remove(&mut self, fd: Fd) -> Result<FileRef, Errno> {
        usize::try_from(fd)
            .ok()
            .and_then(|fd| self.open.get_mut(fd)?.take())
            .ok_or(Errno::EBADF)
    }

    /// The kqueues that are open here.
    pub fn kqueues(&self) -> Vec<Arc<Kqueue>> {
        let kqueue = |file: &FileRef| match &file.kind {
            Kind::Kqueue(kq) => Some(kq.clone()),
            Kind::Device(_) => None,
        };
        self.open.iter().flatten().filter_map(kqueue).collect()
    }

    /// `fdcopy`: the table of a child of fork(2). It has the same files, except for kqueues. Copies
    /// of kqueues are started here.
    pub fn fork(&self) -> (FdTable, Vec<Copying>) {
        let mut copying = Vec::new();
        let mut inherit = |file: &FileRef| match &file.kind {
            Kind::Device(_) => Some(file.clone()),
            Kind::Kqueue(from) if from.cponfork && from.acquire().is_ok() => {
                let to = Kqueue::new(true);
                copying.push(Copying {
                    from: from.clone(),
                    to: to.clone(),
                });
                Some(FileRef::new(
                    file.flag.load(SeqCst) & (FREAD | FWRITE),
                    Kind::Kqueue(to),
                ))
            }
            Kind::Kqueue(_) => None,
        };
        let open = self
            .open
            .iter()
            .map(|file| file.as_ref().and_then(&mut inherit))
            .collect();
        (FdTable { open }, copying)
    }

    /// Closes all descriptors, lowest first, as exit(2) does.
    pub fn close_all(table: &Files) {
        let open = std::mem::take(&mut table.lock().open);
        drop(open);
    }
}
