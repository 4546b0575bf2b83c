//! ioctl(2).

use super::Process;
use crate::abi::errno::Errno;
use crate::abi::syscall::{
    FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX, Fd, O_ASYNC, O_NONBLOCK, ioc_in, ioc_len, ioc_out,
    ioc_void,
};
use crate::dev::file::{FREAD, FWRITE, File};
use crate::kern::thread::Thread;
use crate::kern::uio::{Arguments, fault_in};
use crate::machine::fault::copy_user;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::usermem::{UserIn, UserOut};

/// The third argument of ioctl(2).
pub enum IoctlArg<'a> {
    /// None, or an integer.
    Int(i64),
    /// A pointer to data that may be written.
    Data(UserOut<'a>),
    /// A pointer to data that may only be read: writing to it is EFAULT.
    Const(UserIn<'a>),
}

impl From<i64> for IoctlArg<'_> {
    fn from(value: i64) -> Self {
        IoctlArg::Int(value)
    }
}

impl<'a, T: Into<UserOut<'a>>> From<T> for IoctlArg<'a> {
    fn from(data: T) -> Self {
        IoctlArg::Data(data.into())
    }
}

impl IoctlArg<'_> {
    fn addr(&self) -> usize {
        match self {
            IoctlArg::Int(value) => *value as usize,
            IoctlArg::Data(data) => data.addr().addr(),
            IoctlArg::Const(data) => data.addr().addr(),
        }
    }

    /// The first `len` bytes, to be read; EFAULT if there are fewer.
    fn input(&self, len: usize) -> Result<*const u8, Errno> {
        let (addr, available) = match self {
            IoctlArg::Int(_) => return Err(Errno::EFAULT),
            IoctlArg::Data(data) => (data.addr().cast_const(), data.len()),
            IoctlArg::Const(data) => (data.addr(), data.len()),
        };
        if len <= available {
            Ok(addr)
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// The first `len` bytes, to be written; EFAULT if there are fewer.
    fn output(&self, len: usize) -> Result<*mut u8, Errno> {
        match self {
            IoctlArg::Data(data) if len <= data.len() => Ok(data.addr()),
            _ => Err(Errno::EFAULT),
        }
    }
}

/// Room for the data of an ioctl(2), aligned for whatever it may be.
type Word = u128;

impl Process {
    /// ioctl(2). Data shorter than the request's encoded size ends in inaccessible memory: EFAULT.
    ///
    /// # Errors
    ///
    /// EBADF. ENOTTY: the request is not encoded as one. EFAULT. ENXIO or ENOTTY: the device was
    /// destroyed. Errors of the device's d_ioctl.
    pub fn ioctl<'a>(
        &self,
        fd: Fd,
        request: u64,
        arg: impl Into<IoctlArg<'a>>,
    ) -> Result<(), Errno> {
        let arg = arg.into();
        let request = request & 0xffff_ffff;
        let size = ioc_len(request);
        let (is_void, is_in, is_out) = (ioc_void(request), ioc_in(request), ioc_out(request));
        let wrong = !(is_void || is_in || is_out)
            || (is_in || is_out) && size == 0
            || is_void && size > 0 && size != size_of::<i32>();
        if wrong {
            return Err(Errno::ENOTTY);
        }
        self.call("ioctl", |td| {
            // Without data, the argument itself is the data; zeroed for a request that only returns
            // some.
            let mut data = vec![0 as Word; size.div_ceil(size_of::<Word>()).max(1)];
            let bytes = data.as_mut_ptr().cast::<u8>();
            if is_void || size == 0 {
                data[0] = arg.addr() as Word;
            } else if is_in {
                let from = arg.input(size)?;
                fault_in(td, from.addr(), size)?;
                // SAFETY: the buffer has `size` bytes; the user's side may fault.
                unsafe { copy_user(bytes, from, size) }.map_err(|_| Errno::EFAULT)?;
            }
            td.own().arguments.replace(Arguments::new(match &arg {
                IoctlArg::Int(_) => Vec::new(),
                IoctlArg::Data(data) => vec![(data.addr().addr(), data.len())],
                IoctlArg::Const(data) => vec![(data.addr().addr(), data.len())],
            }));
            let result = self.ioctl_file(td, fd, request, bytes);
            td.own().arguments.take();
            result?;
            if is_out && !is_void {
                let to = arg.output(size)?;
                fault_in(td, to.addr(), size)?;
                // SAFETY: as above.
                unsafe { copy_user(to, bytes, size) }.map_err(|_| Errno::EFAULT)?;
            }
            Ok(())
        })
    }

    /// `kern_ioctl`, with the data in kernel memory.
    fn ioctl_file(&self, td: &Thread, fd: Fd, request: u64, data: *mut u8) -> Result<(), Errno> {
        let file = self.file(fd)?;
        if file.flag.load(SeqCst) & (FREAD | FWRITE) == 0 {
            return Err(Errno::EBADF);
        }
        match request {
            // There is no execve(2).
            FIOCLEX | FIONCLEX => return Ok(()),
            FIONBIO => set_flag(&file, O_NONBLOCK, data),
            FIOASYNC => set_flag(&file, O_ASYNC, data),
            _ => {}
        }
        Errno::check(file.ioctl(td, request, data)?.0)
    }
}

fn set_flag(file: &File, flag: i32, data: *mut u8) {
    // SAFETY: the data of these requests is an int.
    if unsafe { data.cast::<i32>().read() } != 0 {
        file.flag.fetch_or(flag, SeqCst);
    } else {
        file.flag.fetch_and(!flag, SeqCst);
    }
}
