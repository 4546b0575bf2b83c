//! Numbers and structures of FreeBSD's system-call interface, amd64, as `<sys/fcntl.h>`,
//! `<sys/poll.h>`, `<sys/select.h>`, `<sys/event.h>` and `<sys/filio.h>` define them.

/// A file descriptor.
pub type Fd = i32;
/// The number of a process.
pub type Pid = i32;
/// The number of a thread.
pub type Tid = i32;
/// The number of a loaded file, as kldload(2) returns it.
pub type KldId = i32;

/// open(2): for reading only.
pub const O_RDONLY: i32 = 0x0000;
/// open(2): for writing only.
pub const O_WRONLY: i32 = 0x0001;
/// open(2): for reading and writing.
pub const O_RDWR: i32 = 0x0002;
/// The bits of the access mode.
pub const O_ACCMODE: i32 = 0x0003;
/// open(2), fcntl(2): calls on this description do not block.
pub const O_NONBLOCK: i32 = 0x0004;
/// open(2), fcntl(2): append on each write.
pub const O_APPEND: i32 = 0x0008;
/// fcntl(2): send SIGIO when data is available.
pub const O_ASYNC: i32 = 0x0040;
/// open(2): create the file if it does not exist.
pub const O_CREAT: i32 = 0x0200;
/// open(2): truncate it.
pub const O_TRUNC: i32 = 0x0400;
/// open(2): with `O_CREAT`, fail if it exists.
pub const O_EXCL: i32 = 0x0800;
/// open(2): fail unless it is a directory.
pub const O_DIRECTORY: i32 = 0x0002_0000;
/// open(2): close on execve(2).
pub const O_CLOEXEC: i32 = 0x0010_0000;

/// poll(2): data may be read.
pub const POLLIN: i16 = 0x0001;
/// poll(2): high-priority data may be read.
pub const POLLPRI: i16 = 0x0002;
/// poll(2): data may be written.
pub const POLLOUT: i16 = 0x0004;
/// poll(2), result only: an error.
pub const POLLERR: i16 = 0x0008;
/// poll(2), result only: the device was destroyed.
pub const POLLHUP: i16 = 0x0010;
/// poll(2), result only: not an open descriptor.
pub const POLLNVAL: i16 = 0x0020;
/// poll(2): normal data may be read.
pub const POLLRDNORM: i16 = 0x0040;
/// poll(2): normal data may be written; the same bit as [`POLLOUT`].
pub const POLLWRNORM: i16 = POLLOUT;
/// poll(2): priority data may be read.
pub const POLLRDBAND: i16 = 0x0080;
/// poll(2): priority data may be written.
pub const POLLWRBAND: i16 = 0x0100;

/// One descriptor of poll(2), `struct pollfd`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor; a negative one is skipped.
    pub fd: Fd,
    /// The requested events.
    pub events: i16,
    /// The events found.
    pub revents: i16,
}

impl PollFd {
    /// A request for `events` on `fd`.
    pub fn new(fd: Fd, events: i16) -> PollFd {
        PollFd {
            fd,
            events,
            revents: 0,
        }
    }
}

/// Descriptors that an [`FdSet`] can hold, `FD_SETSIZE`.
pub const FD_SETSIZE: usize = 1024;

/// The set of descriptors that select(2) takes, `fd_set`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdSet(pub [u64; FD_SETSIZE / 64]);

impl FdSet {
    /// The empty set, `FD_ZERO`.
    pub const EMPTY: FdSet = FdSet([0; FD_SETSIZE / 64]);

    /// The set of these descriptors. One that is outside of `0..FD_SETSIZE` is left out.
    pub fn of(fds: &[Fd]) -> FdSet {
        let mut set = FdSet::EMPTY;
        for &fd in fds {
            set.insert(fd);
        }
        set
    }

    /// Adds `fd`, `FD_SET`.
    pub fn insert(&mut self, fd: Fd) {
        if let Ok(fd) = usize::try_from(fd)
            && fd < FD_SETSIZE
        {
            self.0[fd / 64] |= 1 << (fd % 64);
        }
    }

    /// Whether `fd` is in the set, `FD_ISSET`.
    pub fn contains(&self, fd: Fd) -> bool {
        usize::try_from(fd).is_ok_and(|fd| fd < FD_SETSIZE && self.0[fd / 64] & 1 << (fd % 64) != 0)
    }
}

/// kqueuex(2): close on execve(2).
pub const KQUEUE_CLOEXEC: u32 = 0x1;
/// kqueuex(2): copy the kqueue at fork(2).
pub const KQUEUE_CPONFORK: u32 = 0x2;

/// kevent(2): data may be read.
pub const EVFILT_READ: i16 = -1;
/// kevent(2): data may be written.
pub const EVFILT_WRITE: i16 = -2;

/// Add the event, and enable it.
pub const EV_ADD: u16 = 0x0001;
/// Delete the event.
pub const EV_DELETE: u16 = 0x0002;
/// Report the event again.
pub const EV_ENABLE: u16 = 0x0004;
/// Do not report the event.
pub const EV_DISABLE: u16 = 0x0008;
/// Report the event once, then delete it.
pub const EV_ONESHOT: u16 = 0x0010;
/// Reset the event's state when it is reported: report changes rather than the state.
pub const EV_CLEAR: u16 = 0x0020;
/// Return a receipt (an `EV_ERROR` event with data 0) for this change.
pub const EV_RECEIPT: u16 = 0x0040;
/// Disable the event when it is reported.
pub const EV_DISPATCH: u16 = 0x0080;
/// Make the event report once, now.
pub const EV_FORCEONESHOT: u16 = 0x0100;
/// Leave the event's user data as it is.
pub const EV_KEEPUDATA: u16 = 0x0200;
/// Result: `data` holds an errno.
pub const EV_ERROR: u16 = 0x4000;
/// Result: end of file.
pub const EV_EOF: u16 = 0x8000;

/// A change to, or an event from, a kqueue: `struct kevent`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kevent {
    /// The identifier of the event. For the filters here, it is a descriptor.
    pub ident: usize,
    /// The filter, `EVFILT_*`.
    pub filter: i16,
    /// `EV_*`.
    pub flags: u16,
    /// Flags of the filter.
    pub fflags: u32,
    /// Data of the filter; for read and write: how many bytes.
    pub data: i64,
    /// Returned unchanged.
    pub udata: usize,
    /// Extensions; not used by the filters here.
    pub ext: [u64; 4],
}

const _: () = assert!(size_of::<Kevent>() == 64);

impl Kevent {
    /// A change to the event of `filter` on descriptor `fd`, `EV_SET`.
    pub fn new(fd: Fd, filter: i16, flags: u16) -> Kevent {
        Kevent {
            ident: fd as usize,
            filter,
            flags,
            ..Kevent::default()
        }
    }
}

const IOC_VOID: u64 = 0x2000_0000;
const IOC_OUT: u64 = 0x4000_0000;
const IOC_IN: u64 = 0x8000_0000;
const IOCPARM_MASK: u64 = (1 << 13) - 1;

/// Encodes an ioctl(2) request, `_IOC`.
const fn ioc(direction: u64, group: u8, number: u8, len: usize) -> u64 {
    direction | (len as u64 & IOCPARM_MASK) << 16 | (group as u64) << 8 | number as u64
}

/// Whether the request is encoded without data.
pub(crate) fn ioc_void(cmd: u64) -> bool {
    cmd & IOC_VOID != 0
}

/// Whether the request's data is copied to the user.
pub(crate) fn ioc_out(cmd: u64) -> bool {
    cmd & IOC_OUT != 0
}

/// Whether the request's data is copied from the user.
pub(crate) fn ioc_in(cmd: u64) -> bool {
    cmd & IOC_IN != 0
}

/// The size of the request's data, `IOCPARM_LEN`.
pub(crate) fn ioc_len(cmd: u64) -> usize {
    (cmd >> 16 & IOCPARM_MASK) as usize
}

/// ioctl(2): get the number of bytes to read, an int.
pub const FIONREAD: u64 = ioc(IOC_OUT, b'f', 127, 4);
/// ioctl(2): set or clear O_NONBLOCK, an int.
pub const FIONBIO: u64 = ioc(IOC_IN, b'f', 126, 4);
/// ioctl(2): set or clear O_ASYNC, an int.
pub const FIOASYNC: u64 = ioc(IOC_IN, b'f', 125, 4);
/// ioctl(2): get the type of device, an int of `D_*`.
pub const FIODTYPE: u64 = ioc(IOC_OUT, b'f', 122, 4);
/// ioctl(2): get the device's name; answered by devfs.
pub const FIODGNAME: u64 = ioc(IOC_IN, b'f', 120, 16);
/// ioctl(2): get the number of bytes queued for writing, an int.
pub const FIONWRITE: u64 = ioc(IOC_OUT, b'f', 119, 4);
/// ioctl(2): close on execve(2).
pub const FIOCLEX: u64 = ioc(IOC_VOID, b'f', 1, 0);
/// ioctl(2): do not close on execve(2).
pub const FIONCLEX: u64 = ioc(IOC_VOID, b'f', 2, 0);
