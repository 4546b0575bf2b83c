//! Open files of the mount. Each is an open file description of Linux, which programs may share by
//! fork(2) or dup(2). Each has its own process of the hosted kernel, in which the device is open.

use crate::abi::errno::Errno;
use crate::abi::syscall::{FIONREAD, Fd, O_APPEND, O_NONBLOCK};
use crate::kern::interrupt::Interrupt;
use crate::machine::sync::Mutex;
use crate::syscall::{IoctlArg, Kernel, Process};

use super::poll::Watch;

/// An open file.
pub struct OpenFile {
    /// The node that it was opened through.
    pub node: u64,
    /// The process that has the device open.
    pub process: Process,
    /// The device's descriptor there.
    pub fd: Fd,
    /// The status flags of `fd`.
    flags: Mutex<i32>,
    /// The pollers of the file.
    pub watch: Mutex<Watch>,
}

/// The flags that fcntl(2) can change, FreeBSD's for Linux's.
fn status_flags(linux: u32) -> i32 {
    let flag = |theirs: i32, ours: i32| if linux as i32 & theirs != 0 { ours } else { 0 };
    flag(libc::O_NONBLOCK, O_NONBLOCK) | flag(libc::O_APPEND, O_APPEND)
}

impl OpenFile {
    /// open(2) of device `name`, with Linux's flags.
    pub fn open(
        kernel: &Kernel,
        name: &str,
        node: u64,
        linux: u32,
        token: &Interrupt,
    ) -> Result<OpenFile, Errno> {
        let flags = status_flags(linux);
        let process = kernel.process();
        let mode = linux as i32 & libc::O_ACCMODE;
        let fd = process.interruptible(token, |process| {
            process.open(&format!("/dev/{name}"), mode | flags)
        })?;
        Ok(OpenFile {
            node,
            process,
            fd,
            flags: Mutex::new(flags),
            watch: Mutex::default(),
        })
    }

    /// Linux passes the flags with each read and write. It sends nothing when fcntl(2) changes
    /// them.
    fn set_flags(&self, linux: u32) -> Result<(), Errno> {
        let mut flags = self.flags.lock();
        let wanted = status_flags(linux);
        if *flags != wanted {
            self.process.setfl(self.fd, wanted)?;
            *flags = wanted;
        }
        Ok(())
    }

    /// read(2).
    pub fn read(&self, linux: u32, buffer: &mut [u8], token: &Interrupt) -> Result<usize, Errno> {
        self.set_flags(linux)?;
        self.process
            .interruptible(token, |process| process.read(self.fd, buffer))
    }

    /// write(2).
    pub fn write(&self, linux: u32, data: &[u8], token: &Interrupt) -> Result<usize, Errno> {
        self.set_flags(linux)?;
        self.process
            .interruptible(token, |process| process.write(self.fd, data))
    }

    /// ioctl(2), with FreeBSD's code.
    pub fn ioctl(&self, request: u64, arg: IoctlArg<'_>, token: &Interrupt) -> Result<(), Errno> {
        self.process
            .interruptible(token, |process| process.ioctl(self.fd, request, arg))
    }

    /// The bytes that can be read, from FIONREAD; 0 for a device that does not implement it.
    pub fn readable(&self) -> Result<u64, Errno> {
        let mut count = [0; 4];
        match self.process.ioctl(self.fd, FIONREAD, &mut count) {
            Ok(()) => Ok(u64::from(u32::from_ne_bytes(count))),
            Err(Errno::PANICKED) => Err(Errno::PANICKED),
            Err(_) => Ok(0),
        }
    }

    /// The last close of the description.
    pub fn close(&self) -> Result<(), Errno> {
        self.watch.lock().stop();
        self.process.close(self.fd)
    }
}
