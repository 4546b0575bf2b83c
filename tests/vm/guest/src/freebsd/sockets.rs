//! Local sockets, which carry bytes and descriptors between processes.

use super::raw::{Result, syscall};
use suite::errno::{EIO, Errno};
use suite::sys::Fd;

const SYS_RECVMSG: usize = 27;
const SYS_SENDMSG: usize = 28;
const SYS_SENDTO: usize = 133;
const SYS_SOCKETPAIR: usize = 135;

const PF_LOCAL: usize = 1;
const SOCK_STREAM: usize = 1;
const SOL_SOCKET: i32 = 0xffff;
const SCM_RIGHTS: i32 = 1;
const MSG_NOSIGNAL: usize = 0x20000;

/// `struct iovec`
#[repr(C)]
struct Iovec {
    base: usize,
    len: usize,
}

/// `struct msghdr`
#[repr(C)]
struct Message {
    name: usize,
    name_len: u32,
    iov: usize,
    iov_count: i32,
    control: usize,
    control_len: u32,
    flags: i32,
}

/// `struct cmsghdr` with one descriptor after it.
#[repr(C, align(8))]
#[derive(Default)]
struct Control {
    len: u32,
    level: i32,
    kind: i32,
    /// The data begins at a multiple of 8 bytes.
    padding: u32,
    fd: Fd,
}

/// `CMSG_LEN(sizeof(int))`; the structure itself is as long as `CMSG_SPACE(sizeof(int))`.
const CONTROL_LEN: u32 = 20;

/// socketpair(2)
pub fn pair() -> Result<(Fd, Fd)> {
    let mut fds = [0 as Fd; 2];
    // SAFETY: writes two descriptors.
    unsafe {
        syscall(
            SYS_SOCKETPAIR,
            [PF_LOCAL, SOCK_STREAM, 0, fds.as_mut_ptr() as usize],
        )
    }?;
    Ok((fds[0], fds[1]))
}

/// send(2) of some of the bytes, at least one.
pub fn send(socket: Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: only reads the bytes.
    unsafe {
        syscall(
            SYS_SENDTO,
            [
                socket as usize,
                bytes.as_ptr() as usize,
                bytes.len(),
                MSG_NOSIGNAL,
                0,
                0,
            ],
        )
    }
}

/// Sends a descriptor, with one byte that has no meaning.
pub fn send_fd(socket: Fd, fd: Fd) -> Result<()> {
    let mut control = Control {
        len: CONTROL_LEN,
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        padding: 0,
        fd,
    };
    with_message(&mut 0, &mut control, |message| {
        // SAFETY: only reads the message and the memory that it points to.
        unsafe {
            syscall(
                SYS_SENDMSG,
                [
                    socket as usize,
                    message as *const Message as usize,
                    MSG_NOSIGNAL,
                ],
            )
        }
    })
    .map(drop)
}

/// Waits for the descriptor of [`send_fd`].
pub fn receive_fd(socket: Fd) -> Result<Fd> {
    let mut control = Control::default();
    let received = with_message(&mut 0, &mut control, |message| {
        // SAFETY: writes to the byte and to the control data, and no more than their lengths.
        unsafe {
            syscall(
                SYS_RECVMSG,
                [socket as usize, message as *mut Message as usize, 0],
            )
        }
    })?;
    if received == 1 && control.kind == SCM_RIGHTS {
        Ok(control.fd)
    } else {
        Err::<Fd, Errno>(EIO)
    }
}

fn with_message<T>(
    byte: &mut u8,
    control: &mut Control,
    call: impl FnOnce(&mut Message) -> T,
) -> T {
    let iov = Iovec {
        base: &raw mut *byte as usize,
        len: 1,
    };
    call(&mut Message {
        name: 0,
        name_len: 0,
        iov: &raw const iov as usize,
        iov_count: 1,
        control: &raw mut *control as usize,
        control_len: size_of::<Control>() as u32,
        flags: 0,
    })
}

const _: () = assert!(size_of::<Message>() == 48 && size_of::<Control>() == 24);
