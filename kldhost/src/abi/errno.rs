//! FreeBSD's errno values (`<sys/errno.h>`).

use std::fmt;

/// The error of a system call or KPI function, by FreeBSD's number.
///
/// Two values do not exist in FreeBSD. A call returns [`Errno::KILLED`] or [`Errno::PANICKED`]
/// where, in the kernel, it would never return.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Errno(pub i32);

macro_rules! errnos {
    ($($name:ident = $value:literal, $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno($value);)*

            /// The name, such as `ENXIO`; `None` for a number that is not listed here.
            pub fn name(self) -> Option<&'static str> {
                match self.0 { $($value => Some(stringify!($name)),)* _ => None }
            }

            /// The text of strerror(3).
            pub fn text(self) -> &'static str {
                match self.0 { $($value => $text,)* _ => "Unknown error" }
            }
        }
    };
}

errnos! {
    ERESTART = -1, "Restart the system call";
    ENOIOCTL = -3, "The ioctl was not handled by this layer";
    KILLED = -100, "The process was killed in the call, which therefore never returns";
    PANICKED = -101, "The kernel has panicked";
    EPERM = 1, "Operation not permitted";
    ENOENT = 2, "No such file or directory";
    ESRCH = 3, "No such process";
    EINTR = 4, "Interrupted system call";
    EIO = 5, "Input/output error";
    ENXIO = 6, "Device not configured";
    ENOEXEC = 8, "Exec format error";
    EBADF = 9, "Bad file descriptor";
    ENOMEM = 12, "Cannot allocate memory";
    EACCES = 13, "Permission denied";
    EFAULT = 14, "Bad address";
    EBUSY = 16, "Device busy";
    EEXIST = 17, "File exists";
    ENODEV = 19, "Operation not supported by device";
    ENOTDIR = 20, "Not a directory";
    EINVAL = 22, "Invalid argument";
    EMFILE = 24, "Too many open files";
    ENOTTY = 25, "Inappropriate ioctl for device";
    ESPIPE = 29, "Illegal seek";
    EPIPE = 32, "Broken pipe";
    EWOULDBLOCK = 35, "Resource temporarily unavailable";
    EOPNOTSUPP = 45, "Operation not supported";
    ENAMETOOLONG = 63, "File name too long";
}

impl Errno {
    /// `Ok(())` for 0, as the kernel's functions return it.
    pub(crate) fn check(error: i32) -> Result<(), Errno> {
        if error == 0 {
            Ok(())
        } else {
            Err(Errno(error))
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(_) => f.write_str(self.text()),
            None => write!(f, "{}: {}", self.text(), self.0),
        }
    }
}

impl std::error::Error for Errno {}
