//! Answers requests, one by one.

use polyfuse_kernel::*;

use super::channel::Message;
use super::ioctl;
use super::session::Session;
use crate::machine::sync::Arc;
use crate::syscall::IoctlArg;

/// `Ok` if the answer has been sent; otherwise an error, by Linux's number.
type Answered = Result<(), i32>;

impl Session {
    /// Answers a request that may have to wait. `output` is memory to be used again.
    pub(super) fn answer(self: &Arc<Session>, message: &Message<'_>, output: &mut Vec<u8>) {
        let answered = match message.opcode() {
            Some(fuse_opcode::FUSE_LOOKUP) => self.lookup(message),
            Some(fuse_opcode::FUSE_GETATTR) => self.getattr(message),
            Some(fuse_opcode::FUSE_SETATTR) => self.setattr(message),
            Some(fuse_opcode::FUSE_OPEN) => self.open(message),
            Some(fuse_opcode::FUSE_READ) => self.read(message, output),
            Some(fuse_opcode::FUSE_WRITE) => self.write(message),
            Some(fuse_opcode::FUSE_IOCTL) => self.ioctl(message, output),
            Some(fuse_opcode::FUSE_POLL) => self.poll(message),
            Some(fuse_opcode::FUSE_READDIR) => self.readdir(message),
            Some(fuse_opcode::FUSE_OPENDIR) => {
                self.channel
                    .reply(message.header.unique, &fuse_open_out::default(), &[]);
                Ok(())
            }
            Some(fuse_opcode::FUSE_RELEASEDIR) => {
                self.channel.data(message.header.unique, &[]);
                Ok(())
            }
            Some(fuse_opcode::FUSE_STATFS) => {
                let st = fuse_kstatfs {
                    bsize: 4096,
                    frsize: 4096,
                    namelen: 255,
                    ..fuse_kstatfs::default()
                };
                self.channel
                    .reply(message.header.unique, &fuse_statfs_out { st }, &[]);
                Ok(())
            }
            // As in devfs(5), only the kernel makes and removes names.
            Some(
                fuse_opcode::FUSE_CREATE
                | fuse_opcode::FUSE_MKNOD
                | fuse_opcode::FUSE_MKDIR
                | fuse_opcode::FUSE_SYMLINK
                | fuse_opcode::FUSE_LINK
                | fuse_opcode::FUSE_UNLINK
                | fuse_opcode::FUSE_RMDIR
                | fuse_opcode::FUSE_RENAME,
            ) => Err(libc::EOPNOTSUPP),
            // Linux handles this error itself, and does not send the request again.
            _ => Err(libc::ENOSYS),
        };
        if let Err(error) = answered {
            self.channel.fail(message.header.unique, error);
        }
    }

    fn lookup(&self, message: &Message<'_>) -> Answered {
        let name = message.name().ok_or(libc::EINVAL)?;
        let node = self
            .names
            .lookup(message.header.nodeid, name)
            .ok_or(libc::ENOENT)?;
        let attr = self.attr(node)?;
        // Valid for no time, so that each open looks the name up again.
        self.channel.reply(
            message.header.unique,
            &fuse_entry_out {
                nodeid: node,
                attr,
                ..fuse_entry_out::default()
            },
            &[],
        );
        Ok(())
    }

    /// The attributes of a node. The size of an open device is the number of bytes that it has to
    /// read. Linux answers FIONREAD from this.
    fn attr(&self, node: u64) -> Result<fuse_attr, i32> {
        let file = self.files.lock().of_node(node);
        let size = match file {
            Some(file) => file.readable().map_err(|error| self.error(error))?,
            None => 0,
        };
        self.names.attr(node, size).ok_or(libc::ENOENT)
    }

    fn getattr(&self, message: &Message<'_>) -> Answered {
        let attr = self.attr(message.header.nodeid)?;
        self.channel.reply(
            message.header.unique,
            &fuse_attr_out {
                attr,
                ..fuse_attr_out::default()
            },
            &[],
        );
        Ok(())
    }

    /// A device has no size and times to be set, and open(2) with O_TRUNC and touch(1) do so to
    /// every file.
    fn setattr(&self, message: &Message<'_>) -> Answered {
        let (set, _) = message.parse::<fuse_setattr_in>().ok_or(libc::EINVAL)?;
        if set.valid & (FATTR_MODE | FATTR_UID | FATTR_GID) != 0 {
            return Err(libc::EPERM);
        }
        self.getattr(message)
    }

    fn open(&self, message: &Message<'_>) -> Answered {
        let (open, _) = message.parse::<fuse_open_in>().ok_or(libc::EINVAL)?;
        let node = message.header.nodeid;
        let name = self.names.name(node).ok_or(libc::ENOENT)?;
        let token = self.token(message.header.unique);
        let file = super::file::OpenFile::open(&self.kernel, &name, node, open.flags, &token);
        let fh = self
            .files
            .lock()
            .add(file.map_err(|error| self.error(error))?);
        // STREAM: a read that waits does not lock a write on the same description out.
        let open_flags = FOPEN_DIRECT_IO | FOPEN_NONSEEKABLE | FOPEN_STREAM;
        self.channel.reply(
            message.header.unique,
            &fuse_open_out {
                fh,
                open_flags,
                padding: 0,
            },
            &[],
        );
        Ok(())
    }

    fn read(&self, message: &Message<'_>, output: &mut Vec<u8>) -> Answered {
        let (read, _) = message.parse::<fuse_read_in>().ok_or(libc::EINVAL)?;
        let file = self.files.lock().get(read.fh)?;
        let buffer = of_size(output, read.size);
        let count = file
            .read(read.flags, buffer, &self.token(message.header.unique))
            .map_err(|error| self.error(error))?;
        self.channel.data(message.header.unique, &buffer[..count]);
        Ok(())
    }

    fn write(&self, message: &Message<'_>) -> Answered {
        let (write, data) = message.parse::<fuse_write_in>().ok_or(libc::EINVAL)?;
        let file = self.files.lock().get(write.fh)?;
        let data = data.get(..write.size as usize).ok_or(libc::EINVAL)?;
        let count = file
            .write(write.flags, data, &self.token(message.header.unique))
            .map_err(|error| self.error(error))?;
        self.channel.reply(
            message.header.unique,
            &fuse_write_out {
                size: count as u32,
                padding: 0,
            },
            &[],
        );
        Ok(())
    }

    fn ioctl(&self, message: &Message<'_>, output: &mut Vec<u8>) -> Answered {
        let (ioctl, data) = message.parse::<fuse_ioctl_in>().ok_or(libc::EINVAL)?;
        let file = self.files.lock().get(ioctl.fh)?;
        let request = ioctl::to_freebsd(ioctl.cmd).ok_or(libc::ENOTTY)?;
        let size = ioctl.in_size.max(ioctl.out_size);
        let buffer = of_size(output, size);
        buffer.fill(0);
        let input = data.get(..ioctl.in_size as usize).ok_or(libc::EINVAL)?;
        buffer[..input.len()].copy_from_slice(input);
        let arg = if size == 0 {
            IoctlArg::Int(ioctl.arg as i64)
        } else {
            IoctlArg::Data((&mut *buffer).into())
        };
        file.ioctl(request, arg, &self.token(message.header.unique))
            .map_err(|error| self.error(error))?;
        self.channel.reply(
            message.header.unique,
            &fuse_ioctl_out::default(),
            &buffer[..ioctl.out_size as usize],
        );
        Ok(())
    }

    fn poll(&self, message: &Message<'_>) -> Answered {
        let (poll, _) = message.parse::<fuse_poll_in>().ok_or(libc::EINVAL)?;
        let file = self.files.lock().get(poll.fh)?;
        let revents = file
            .poll(&poll, &self.pending, &self.channel)
            .map_err(|error| self.error(error))?;
        self.channel.reply(
            message.header.unique,
            &fuse_poll_out {
                revents,
                padding: 0,
            },
            &[],
        );
        Ok(())
    }

    fn readdir(&self, message: &Message<'_>) -> Answered {
        let (read, _) = message.parse::<fuse_read_in>().ok_or(libc::EINVAL)?;
        let entries = self
            .names
            .list(message.header.nodeid, read.offset, read.size as usize)
            .ok_or(libc::ENOENT)?;
        self.channel.data(message.header.unique, &entries);
        Ok(())
    }
}

/// The first `size` bytes of `memory`, which grows as needed.
fn of_size(memory: &mut Vec<u8>, size: u32) -> &mut [u8] {
    let size = size as usize;
    if memory.len() < size {
        memory.resize(size, 0);
    }
    &mut memory[..size]
}
