//! Mounting: the checks before, the mount itself, and unmounting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::mountinfo::{Mounted, mounted_on};

/// The type that mounts show in mount(8) and `/proc/self/mountinfo`.
const FSTYPE: &str = "fuse.kldhost";

/// Why a device cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The mount point is missing, or cannot be used.
    #[error("mount point {}: {}", dir.display(), error.desc())]
    Directory {
        /// The mount point.
        dir: PathBuf,
        /// The error.
        error: Errno,
    },
    /// Something is in the directory, and would be hidden.
    #[error("mount point {} is not empty", dir.display())]
    NotEmpty {
        /// The mount point.
        dir: PathBuf,
    },
    /// Another kldhost has mounted there.
    #[error("mount point {} is in use by another kldhost", dir.display())]
    InUse {
        /// The mount point.
        dir: PathBuf,
    },
    /// There is no FUSE here.
    #[error("/dev/fuse: {} (the fuse module of Linux is not loaded, or this container has no access to it)", .0.desc())]
    NoFuse(Errno),
    /// The right to mount is missing.
    #[error("mount on {}: {} (this needs root, with CAP_SYS_ADMIN)", dir.display(), error.desc())]
    Mount {
        /// The mount point.
        dir: PathBuf,
        /// The error of mount(2).
        error: Errno,
    },
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Checks the mount point, and removes a mount that an earlier run has left there; its path without
/// symbolic links.
pub fn prepare(dir: &Path) -> Result<PathBuf, MountError> {
    let failed = |error: io::Error| MountError::Directory {
        dir: dir.to_owned(),
        error: errno(&error),
    };
    let dir = fs::canonicalize(dir).map_err(failed)?;
    // A mount may hide another one.
    while let Some(mounted) = mounted_on(&dir)
        .map_err(failed)?
        .filter(|mounted| mounted.fstype == FSTYPE)
    {
        if is_alive(&mounted) {
            return Err(MountError::InUse { dir });
        }
        umount2(&dir, MntFlags::MNT_DETACH).map_err(|error| failed(error.into()))?;
    }
    let mut entries = fs::read_dir(&dir).map_err(failed)?;
    if entries.next().is_some() {
        return Err(MountError::NotEmpty { dir });
    }
    Ok(dir)
}

/// The device name in the mounts of program `pid`. It contains the start time, to distinguish the
/// program from earlier ones with the same number. `None` if there is no such program, or it is a
/// zombie.
fn source(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // proc(5): the second field is a name in parentheses, with anything in it, the third the state,
    // the 22nd starttime.
    let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace();
    let state = fields.next()?;
    (state != "Z").then_some(format!("kldhost:{pid}:{}", fields.nth(18)?))
}

/// Whether the program that has mounted still exists. It is not asked itself, because it would not
/// answer while it is stopped.
fn is_alive(mounted: &Mounted) -> bool {
    let pid = mounted
        .source
        .split(':')
        .nth(1)
        .and_then(|pid| pid.parse().ok());
    pid.and_then(source)
        .is_some_and(|source| source == mounted.source)
}

/// Mounts on `dir`, as [`prepare`] gave it; the connection.
pub fn attach(dir: &Path) -> Result<File, MountError> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
        .map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => MountError::Mount {
                dir: dir.to_owned(),
                error: Errno::EACCES,
            },
            _ => MountError::NoFuse(errno(&error)),
        })?;
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    // Linux checks the permissions of all users, by the attributes of the devices.
    let data = format!(
        "fd={},rootmode=40000,user_id={uid},group_id={gid},default_permissions,allow_other",
        device.as_raw_fd()
    );
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let source = source(std::process::id());
    mount(
        source.as_deref(),
        dir,
        Some(FSTYPE),
        flags,
        Some(data.as_str()),
    )
    .map_err(|error| match error {
        Errno::ENODEV => MountError::NoFuse(error),
        error => MountError::Mount {
            dir: dir.to_owned(),
            error,
        },
    })?;
    Ok(device)
}

/// Unmounts. If the file system is in use, it is detached at once, and its users are cut off.
pub fn detach(dir: &Path) {
    if umount2(dir, MntFlags::empty()).is_err() {
        // If this also fails, it is not mounted.
        let _ = umount2(dir, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH);
    }
}
