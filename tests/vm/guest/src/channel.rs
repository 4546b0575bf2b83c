//! The socket between this program and one of its processes. It carries values, each after its
//! length, and descriptors.

use crate::freebsd::files::{self, Iovec};
use crate::freebsd::{sockets, time, wait};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use serde::{Serialize, de::DeserializeOwned};
use suite::abi::POLLIN;
use suite::call::{decode, encode};
use suite::errno::{EINTR, Errno};
use suite::sys::{Fd, PollFd};

/// One end, which is closed when dropped.
pub struct Channel {
    fd: Fd,
}

/// Why nothing was received.
pub enum Nothing {
    /// The other side is gone.
    Closed,
    /// The bound of the wait was reached.
    TimedOut,
    /// Anything else, as a message.
    Broken(String),
}

impl From<Errno> for Nothing {
    fn from(error: Errno) -> Self {
        const EPIPE: Errno = Errno(32);
        const ECONNRESET: Errno = Errno(54);
        match error {
            EPIPE | ECONNRESET => Nothing::Closed,
            _ => Nothing::Broken(format!("the socket to the process: {error}")),
        }
    }
}

impl Channel {
    /// Both ends of a new socket.
    pub fn pair() -> Result<(Channel, Channel), Errno> {
        let (one, other) = sockets::pair()?;
        Ok((Channel { fd: one }, Channel { fd: other }))
    }

    /// The descriptor, for duplicating or closing it.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    /// The same end as descriptor `fd`.
    pub fn moved_to(self, fd: Fd) -> Result<Channel, Errno> {
        Ok(Channel {
            fd: files::dup2(self.fd, fd)?,
        })
    }

    /// Sends a value.
    pub fn send<T: Serialize>(&self, value: &T) -> Result<(), Nothing> {
        let bytes = encode(value);
        self.send_bytes(&(bytes.len() as u64).to_le_bytes())?;
        self.send_bytes(&bytes)
    }

    /// Receives a value. Waits for it at most until `deadline`, in the time of [`time::now`].
    pub fn receive<T: DeserializeOwned>(&self, deadline: Option<u64>) -> Result<T, Nothing> {
        let mut len = [0; 8];
        self.receive_bytes(&mut len, deadline)?;
        let mut bytes = vec![0; u64::from_le_bytes(len) as usize];
        self.receive_bytes(&mut bytes, deadline)?;
        decode(&bytes)
            .ok_or_else(|| Nothing::Broken("the process sent an unexpected answer".into()))
    }

    /// Sends one end of another channel, which is closed here.
    pub fn send_channel(&self, channel: Channel) -> Result<(), Nothing> {
        Ok(sockets::send_fd(self.fd, channel.fd)?)
    }

    /// Receives one end of another channel.
    pub fn receive_channel(&self) -> Result<Channel, Nothing> {
        Ok(Channel {
            fd: sockets::receive_fd(self.fd)?,
        })
    }

    /// Waits until the other side is gone, at most until `deadline`. Anything that it still sends
    /// is dropped.
    pub fn wait_closed(&self, deadline: u64) -> Result<(), Nothing> {
        let mut sent = [0; 256];
        loop {
            match self.receive_some(&mut sent, Some(deadline)) {
                Ok(_) => {}
                Err(Nothing::Closed) => return Ok(()),
                Err(other) => return Err(other),
            }
        }
    }

    fn send_bytes(&self, mut bytes: &[u8]) -> Result<(), Nothing> {
        while !bytes.is_empty() {
            match sockets::send(self.fd, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive_bytes(&self, mut into: &mut [u8], deadline: Option<u64>) -> Result<(), Nothing> {
        while !into.is_empty() {
            let n = self.receive_some(into, deadline)?;
            into = &mut into[n..];
        }
        Ok(())
    }

    fn receive_some(&self, into: &mut [u8], deadline: Option<u64>) -> Result<usize, Nothing> {
        if let Some(deadline) = deadline {
            let left = u32::try_from(deadline.saturating_sub(time::now())).unwrap_or(u32::MAX);
            let mut fds = [PollFd {
                fd: self.fd,
                events: POLLIN,
                revents: 0,
            }];
            if wait::poll(&mut fds, Some(left))? == 0 {
                return Err(Nothing::TimedOut);
            }
        }
        loop {
            let into = Iovec {
                base: into.as_mut_ptr() as usize,
                len: into.len(),
            };
            // SAFETY: the bytes of `into`, which is borrowed for writing.
            match unsafe { files::read(self.fd, into) } {
                Ok(0) => return Err(Nothing::Closed),
                Ok(n) => return Ok(n),
                Err(EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // It was open, so closing it does not fail.
        let _ = files::close(self.fd);
    }
}
