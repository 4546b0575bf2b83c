//! Open file descriptions, `struct file`.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use super::device::DevFile;
use super::kqueue::Kqueue;
use crate::abi::errno::Errno;
use crate::abi::syscall::{O_APPEND, O_ASYNC, O_NONBLOCK};
use crate::kern::thread;
use crate::machine::pcpu;
use crate::machine::sync::Arc;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::atomic::{AtomicI32, AtomicI64};

/// `FREAD`.
pub const FREAD: i32 = 1;
/// `FWRITE`.
pub const FWRITE: i32 = 2;

/// `FMASK`: the flags of open(2) that a description keeps.
pub const FMASK: i32 = FREAD | FWRITE | FCNTLFLAGS;
/// `FCNTLFLAGS`: the flags that fcntl(2) may change. These are O_NONBLOCK, O_APPEND, O_ASYNC,
/// O_FSYNC, O_DIRECT.
pub const FCNTLFLAGS: i32 = O_NONBLOCK | O_APPEND | O_ASYNC | 0x80 | 0x0001_0000;

/// The open object.
pub enum Kind {
    /// A device.
    Device(DevFile),
    /// A kqueue.
    Kqueue(Arc<Kqueue>),
}

/// An open file description.
pub struct File {
    /// `f_flag`: `FREAD`, `FWRITE`, and the flags that fcntl(2) sets.
    pub flag: AtomicI32,
    /// `f_offset`: where the next read(2) or write(2) starts, for devices that care.
    pub offset: AtomicI64,
    /// The open object.
    pub kind: Kind,
}

impl File {
    /// Whether all of these flags are set.
    pub fn has(&self, flags: i32) -> bool {
        self.flag.load(SeqCst) & flags == flags
    }

    /// The device, if it is one.
    pub fn device(&self) -> Option<&DevFile> {
        match &self.kind {
            Kind::Device(device) => Some(device),
            Kind::Kqueue(_) => None,
        }
    }

    /// `fo_close`: there is no reference to it left.
    fn close(self) -> Result<(), Errno> {
        let td = thread::current();
        match &self.kind {
            Kind::Device(device) => device.close(td, &self),
            Kind::Kqueue(kq) => kq.close(td),
        }
    }
}

/// A reference to an open file description, as fhold() takes it. Dropping the last one closes the
/// file, on the thread that does it.
pub struct FileRef(ManuallyDrop<Arc<File>>);

impl FileRef {
    /// The first reference.
    pub fn new(flag: i32, kind: Kind) -> FileRef {
        FileRef(ManuallyDrop::new(Arc::new(File {
            flag: AtomicI32::new(flag),
            offset: AtomicI64::new(0),
            kind,
        })))
    }

    /// Drops the reference, and returns the result of closing.
    pub fn release(self) -> Result<(), Errno> {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is not used, nor dropped, after.
        FileRef::drop_arc(unsafe { ManuallyDrop::take(&mut this.0) })
    }

    fn drop_arc(file: Arc<File>) -> Result<(), Errno> {
        match Arc::into_inner(file) {
            // Outside of a system call only a dead kernel drops files.
            Some(file) if !pcpu::curthread().is_null() => file.close(),
            _ => Ok(()),
        }
    }
}

impl Clone for FileRef {
    fn clone(&self) -> FileRef {
        FileRef(self.0.clone())
    }
}

impl Drop for FileRef {
    fn drop(&mut self) {
        // SAFETY: taken once, here.
        let file = unsafe { ManuallyDrop::take(&mut self.0) };
        // The kernel also ignores the result of fdrop() here. Only close(2) returns it.
        let _ = FileRef::drop_arc(file);
    }
}

impl Deref for FileRef {
    type Target = File;
    fn deref(&self) -> &File {
        &self.0
    }
}
