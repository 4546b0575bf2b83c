//! Messages between a case and its processes over a socket. A message is its length, its bytes, and
//! descriptors in some cases.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use suite::call::{Call, Reply};
use suite::sys::Fd;

/// The maximum of descriptors in one message, a limit of Linux.
const MAX_FDS: usize = 253;

/// A request to a process.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Make a system call.
    Call(Call),
    /// Send all descriptors and their numbers.
    Share,
    /// Add the descriptors that follow, under these numbers.
    Adopt(Vec<Fd>),
}

/// An answer.
#[derive(Serialize, Deserialize)]
pub enum Answer {
    /// The outcome of the call.
    Reply(Reply),
    /// The numbers of its descriptors, which follow.
    Shared(Vec<Fd>),
    /// The descriptors have been added.
    Adopted,
}

/// Sends the bytes of a message.
pub fn send(mut socket: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    socket.write_all(&[&len.to_ne_bytes(), bytes].concat())
}

/// Receives the bytes of a message. The end of the other side is an error of kind `UnexpectedEof`.
pub fn receive(mut socket: &UnixStream) -> io::Result<Vec<u8>> {
    let mut len = [0; 4];
    socket.read_exact(&mut len)?;
    let mut bytes = vec![0; u32::from_ne_bytes(len) as usize];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Sends descriptors.
pub fn send_fds(socket: &UnixStream, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors to share"));
    }
    sendmsg(
        socket,
        &[IoSlice::new(&[0])],
        &mut control,
        SendFlags::empty(),
    )?;
    Ok(())
}

/// Receives the descriptors that [`send_fds`] has sent.
pub fn receive_fds(socket: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut [0])],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Ok(fds.flatten().collect())
}
