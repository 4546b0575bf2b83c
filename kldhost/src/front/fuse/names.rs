//! The contents of the mounted directory: the devices of the kernel, with their names below `/dev`.
//!
//! Each lookup of a device returns a new node. Linux holds a lock of the inode during a write, and
//! a thread that waits for the lock cannot be interrupted. With one node for all, a write that
//! waits for room would hang every other writer.

use std::time::{SystemTime, UNIX_EPOCH};

use polyfuse_kernel::{fuse_attr, fuse_dirent};
use zerocopy::IntoBytes;

use crate::machine::sync::Mutex;
use crate::machine::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::syscall::Kernel;

/// The node of the mounted directory, by the FUSE protocol.
pub const ROOT: u64 = 1;

/// Bits of a node's number that encode its name. The bits above them distinguish nodes of the same
/// name.
const NAME_BITS: u32 = 16;

/// The names.
pub struct Names {
    kernel: Kernel,
    /// The names of all lookups. Node `n` has the one at `n - 1`, modulo [`NAME_BITS`].
    known: Mutex<Vec<String>>,
    lookups: AtomicU64,
    /// The time that all files show, in seconds.
    time: u64,
}

/// The object of a name.
enum Kind {
    Directory,
    Device { uid: u32, gid: u32, mode: u32 },
}

impl Names {
    /// The names of the devices of `kernel`.
    pub fn new(kernel: Kernel) -> Names {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs());
        Names {
            kernel,
            known: Mutex::new(vec![String::new()]),
            lookups: AtomicU64::new(0),
            time,
        }
    }

    fn kind(&self, name: &str) -> Option<Kind> {
        let devices = self.kernel.devices();
        if let Some(device) = devices.iter().find(|device| device.name == name) {
            return Some(Kind::Device {
                uid: device.uid,
                gid: device.gid,
                mode: device.mode,
            });
        }
        let is_below = |device: &str| {
            name.is_empty()
                || device
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        devices
            .iter()
            .any(|device| is_below(&device.name))
            .then_some(Kind::Directory)
    }

    /// The name of a node. That of a device is without `/dev/`.
    pub fn name(&self, node: u64) -> Option<String> {
        let index = (node & ((1 << NAME_BITS) - 1)).checked_sub(1)?;
        self.known.lock().get(index as usize).cloned()
    }

    fn index(&self, name: String) -> Option<u64> {
        let mut known = self.known.lock();
        let index = known
            .iter()
            .position(|other| *other == name)
            .unwrap_or_else(|| {
                known.push(name);
                known.len() - 1
            }) as u64;
        (index + 1 < 1 << NAME_BITS).then_some(index + 1)
    }

    /// Looks `name` up in directory `parent`, and returns the node.
    pub fn lookup(&self, parent: u64, name: &str) -> Option<u64> {
        let name = join(&self.name(parent)?, name);
        let kind = self.kind(&name)?;
        let index = self.index(name)?;
        Some(match kind {
            Kind::Directory => index,
            Kind::Device { .. } => (self.lookups.fetch_add(1, Relaxed) + 1) << NAME_BITS | index,
        })
    }

    /// The attributes of a node for stat(2). A device gets this size. `None` if it no longer
    /// exists.
    pub fn attr(&self, node: u64, size: u64) -> Option<fuse_attr> {
        let name = self.name(node)?;
        let times = fuse_attr {
            atime: self.time,
            mtime: self.time,
            ctime: self.time,
            ..fuse_attr::default()
        };
        // The inode's number is that of the name: it does not change from one lookup to the next.
        let attr = fuse_attr {
            ino: node & ((1 << NAME_BITS) - 1),
            blksize: 4096,
            ..times
        };
        Some(match self.kind(&name) {
            Some(Kind::Device { uid, gid, mode }) => {
                // For Linux, it must be a regular file. A character device would be opened through
                // Linux's own drivers.
                fuse_attr {
                    mode: libc::S_IFREG | mode,
                    nlink: 1,
                    uid,
                    gid,
                    size,
                    ..attr
                }
            }
            Some(Kind::Directory) => fuse_attr {
                mode: libc::S_IFDIR | 0o755,
                nlink: 2,
                ..attr
            },
            None if node == ROOT => fuse_attr {
                mode: libc::S_IFDIR | 0o755,
                nlink: 2,
                ..attr
            },
            None => return None,
        })
    }

    /// The entries of directory `node`, starting with the one numbered `offset`, in the format of
    /// readdir, in at most `size` bytes.
    pub fn list(&self, node: u64, offset: u64, size: usize) -> Option<Vec<u8>> {
        let directory = self.name(node)?;
        let devices = self.kernel.devices();
        let below = devices
            .iter()
            .filter_map(|device| match directory.as_str() {
                "" => Some(device.name.as_str()),
                directory => device.name.strip_prefix(directory)?.strip_prefix('/'),
            });
        let mut entries: Vec<(&str, u32)> = below
            .map(|path| match path.split_once('/') {
                Some((directory, _)) => (directory, libc::S_IFDIR),
                None => (path, libc::S_IFREG),
            })
            .collect();
        entries.sort_unstable();
        entries.dedup();
        entries.splice(0..0, [(".", libc::S_IFDIR), ("..", libc::S_IFDIR)]);

        let mut bytes = Vec::new();
        for (at, (name, mode)) in entries.iter().enumerate().skip(offset as usize) {
            let entry = fuse_dirent {
                // Any number except 0 is valid. The right one is in the answer to a lookup.
                ino: u64::MAX,
                off: at as u64 + 1,
                namelen: name.len() as u32,
                typ: mode >> 12,
                name: [],
            };
            let len = (size_of::<fuse_dirent>() + name.len()).next_multiple_of(8);
            if bytes.len() + len > size {
                break;
            }
            let end = bytes.len() + len;
            bytes.extend_from_slice(entry.as_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.resize(end, 0);
        }
        Some(bytes)
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}
