//! FreeBSD's numbers for the flags, filters, signals and requests of the cases.
//!
//! The request codes are numbers, and are not taken from the driver. Existing programs contain
//! these numbers, so a driver that changes its definitions must fail here.

/// `open(2)`: for reading.
pub const O_RDONLY: i32 = 0;
/// `open(2)`: for writing.
pub const O_WRONLY: i32 = 1;
/// `open(2)`: for both.
pub const O_RDWR: i32 = 2;
/// `open(2)`, `fcntl(2)`: do not block.
pub const O_NONBLOCK: i32 = 4;
/// `open(2)`, `fcntl(2)`: send SIGIO; the device refuses it.
pub const O_ASYNC: i32 = 0x40;

/// `signal(3)`: interrupt from the keyboard.
pub const SIGINT: i32 = 2;
/// `signal(3)`: quit from the keyboard, with a core dump.
pub const SIGQUIT: i32 = 3;
/// `signal(3)`: cannot be caught.
pub const SIGKILL: i32 = 9;
/// `signal(3)`: free for use.
pub const SIGUSR1: i32 = 30;

/// `writev(2)`: the most segments of one call (`IOV_MAX`).
pub const IOV_MAX: usize = 1024;

/// `_IOR('E', 100, size_t)`: the buffer's size.
pub const ECHODEV_GBUFSIZE: u64 = 0x4008_4564;
/// `_IOW('E', 101, size_t)`: set the buffer's size.
pub const ECHODEV_SBUFSIZE: u64 = 0x8008_4565;
/// `_IOR('E', 100, uint32_t)`: [`ECHODEV_GBUFSIZE`] of a 32-bit program.
pub const ECHODEV_GBUFSIZE32: u64 = 0x4004_4564;
/// `_IOW('E', 101, uint32_t)`: [`ECHODEV_SBUFSIZE`] of a 32-bit program.
pub const ECHODEV_SBUFSIZE32: u64 = 0x8004_4565;
/// `_IO('E', 102)`: discard what is held.
pub const ECHODEV_CLEAR: u64 = 0x2000_4566;
/// `_IOR('f', 127, int)`: bytes that can be read.
pub const FIONREAD: u64 = 0x4004_667f;
/// `_IOR('f', 119, int)`: bytes of room.
pub const FIONWRITE: u64 = 0x4004_6677;
/// `_IOW('f', 126, int)`: non-blocking I/O.
pub const FIONBIO: u64 = 0x8004_667e;
/// `_IOW('f', 125, int)`: signal-driven I/O.
pub const FIOASYNC: u64 = 0x8004_667d;

/// `poll(2)`: data other than high priority may be read.
pub const POLLIN: i16 = 0x1;
/// `poll(2)`: high priority data may be read.
pub const POLLPRI: i16 = 0x2;
/// `poll(2)`: data may be written. `POLLWRNORM` is the same bit in FreeBSD.
pub const POLLOUT: i16 = 0x4;
/// `poll(2)`: the device is gone; always reported.
pub const POLLHUP: i16 = 0x10;
/// `poll(2)`: the descriptor is not open; always reported.
pub const POLLNVAL: i16 = 0x20;
/// `poll(2)`: normal data may be read.
pub const POLLRDNORM: i16 = 0x40;
/// `poll(2)`: priority data may be read.
pub const POLLRDBAND: i16 = 0x80;
/// `poll(2)`: priority data may be written.
pub const POLLWRBAND: i16 = 0x100;

/// `poll(2)`: the peer of a stream socket has closed its side.
pub const POLLRDHUP: i16 = 0x4000;

/// `kevent(2)`: the descriptor can be read.
pub const EVFILT_READ: i16 = -1;
/// `kevent(2)`: the descriptor can be written.
pub const EVFILT_WRITE: i16 = -2;
/// `kevent(2)`: something happened to a file.
pub const EVFILT_VNODE: i16 = -4;
/// `kevent(2)`: the send buffer is empty.
pub const EVFILT_EMPTY: i16 = -13;

/// `kevent(2)`: add the event.
pub const EV_ADD: u16 = 0x1;
/// `kevent(2)`: remove the event.
pub const EV_DELETE: u16 = 0x2;
/// `kevent(2)`: let the event be returned.
pub const EV_ENABLE: u16 = 0x4;
/// `kevent(2)`: hold the event back.
pub const EV_DISABLE: u16 = 0x8;
/// `kevent(2)`: return the event once, then remove it.
pub const EV_ONESHOT: u16 = 0x10;
/// `kevent(2)`: reset the event's state once it is returned.
pub const EV_CLEAR: u16 = 0x20;
/// `kevent(2)`: disable the event once it is returned.
pub const EV_DISPATCH: u16 = 0x80;
/// `kevent(2)`, returned: an entry of the change list failed, `data` has the error.
pub const EV_ERROR: u16 = 0x4000;
/// `kevent(2)`, returned: end of file, or the device is gone (`fflags` has the error then).
pub const EV_EOF: u16 = 0x8000;
