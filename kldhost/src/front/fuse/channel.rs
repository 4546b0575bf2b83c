//! The connection to Linux's FUSE driver: `/dev/fuse`. Each read(2) returns one request, and each
//! write(2) sends one reply. The structures are those of `<linux/fuse.h>`.

use std::fs::File;
use std::io::{ErrorKind, IoSlice, Read, Write};

use polyfuse_kernel::*;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The most bytes of data that one request or reply carries.
pub const MAX_DATA: usize = 1 << 20;

/// The size of a buffer for requests: that, and room for their headers.
pub const BUFFER: usize = MAX_DATA + 4096;

/// The connection.
pub struct Channel(File);

/// A request.
pub struct Message<'a> {
    /// The header: the request, and the program that made it.
    pub header: fuse_in_header,
    body: &'a [u8],
}

/// The end of the connection: the file system was unmounted, or the connection aborted.
#[derive(Debug, Clone, Copy)]
pub struct Disconnected;

impl Channel {
    /// The connection of an open `/dev/fuse` that a file system was mounted with.
    pub fn new(device: File) -> Channel {
        Channel(device)
    }

    /// Waits for a request; the bytes of it, for [`Message::new`].
    ///
    /// # Errors
    ///
    /// [`Disconnected`].
    pub fn receive(&self, buffer: &mut [u8]) -> Result<usize, Disconnected> {
        loop {
            match (&self.0).read(buffer) {
                Ok(len) => return Ok(len),
                // ENOENT: the request was aborted during the read.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::NotFound) => {}
                Err(_) => return Err(Disconnected),
            }
        }
    }

    /// Answers a request: `head` is the reply's structure, `data` follows it.
    pub fn reply(&self, unique: u64, head: &(impl IntoBytes + Immutable), data: &[u8]) {
        self.send(unique, 0, head.as_bytes(), data);
    }

    /// Answers a request with data alone.
    pub fn data(&self, unique: u64, data: &[u8]) {
        self.send(unique, 0, &[], data);
    }

    /// Answers a request with an error, by Linux's number.
    pub fn fail(&self, unique: u64, error: i32) {
        self.send(unique, -error, &[], &[]);
    }

    /// Wakes the pollers of the open file that the driver calls `kh`.
    pub fn wake_pollers(&self, kh: u64) {
        let wakeup = fuse_notify_poll_wakeup_out { kh };
        self.send(0, FUSE_NOTIFY_POLL as i32, wakeup.as_bytes(), &[]);
    }

    fn send(&self, unique: u64, error: i32, head: &[u8], data: &[u8]) {
        let len = size_of::<fuse_out_header>() + head.len() + data.len();
        let header = fuse_out_header {
            len: len as u32,
            error,
            unique,
        };
        let parts = [
            IoSlice::new(header.as_bytes()),
            IoSlice::new(head),
            IoSlice::new(data),
        ];
        // This fails if the program or the mount no longer exists. Then there is no receiver.
        let _ = (&self.0).write_vectored(&parts);
    }
}

impl<'a> Message<'a> {
    /// The request in these bytes; `None` if they are none.
    pub fn new(bytes: &'a [u8]) -> Option<Message<'a>> {
        let (header, body) = fuse_in_header::read_from_prefix(bytes).ok()?;
        Some(Message { header, body })
    }

    /// The kind of request; `None` if it is newer than this program.
    pub fn opcode(&self) -> Option<fuse_opcode> {
        self.header.opcode.try_into().ok()
    }

    /// The structure after the header of the request, and the bytes that follow it.
    pub fn parse<T: FromBytes>(&self) -> Option<(T, &'a [u8])> {
        T::read_from_prefix(self.body).ok()
    }

    /// The name that the request has after its header.
    pub fn name(&self) -> Option<&'a str> {
        std::ffi::CStr::from_bytes_until_nul(self.body)
            .ok()?
            .to_str()
            .ok()
    }
}
