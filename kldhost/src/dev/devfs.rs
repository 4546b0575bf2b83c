//! The devices of a kernel by name, devfs(5): making, opening and destroying them.

use std::collections::HashMap;

use super::cdevpriv::PrivSlot;
use super::device::Device;
use super::file::FileRef;
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::{O_CREAT, O_DIRECTORY, O_EXCL};
use crate::kern::lock::c_string;
use crate::kern::report::Stop;
use crate::kern::sleep::Sleep;
use crate::kern::thread::Thread;
use crate::machine::fault;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{Arc, Mutex};

/// The devices of a kernel.
#[derive(Default)]
pub struct Devfs {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: HashMap<String, Arc<Device>>,
    /// Every device ever made, by address: modules may still have pointers.
    all: HashMap<usize, Arc<Device>>,
    /// Destroyed devices. The next lookup dooms their vnodes.
    lingering: Vec<Arc<Device>>,
}

impl Devfs {
    /// The device at `path`; ENOENT if there is none. As `devfs_populate` does, this first dooms
    /// the vnodes of destroyed devices.
    fn lookup(&self, td: &Thread, path: &str) -> Result<Arc<Device>, Errno> {
        let lingering = std::mem::take(&mut self.state.lock().lingering);
        for device in lingering {
            device.doom_vnode(td)?;
        }
        let name = path.strip_prefix("/dev/").ok_or(Errno::ENOENT)?;
        self.state
            .lock()
            .names
            .get(name)
            .cloned()
            .ok_or(Errno::ENOENT)
    }

    /// Opens the device at `path`, with the flags of open(2).
    pub fn open(&self, td: &Thread, path: &str, flags: i32) -> Result<FileRef, Errno> {
        let device = match self.lookup(td, path) {
            // devfs does not create files.
            Err(Errno::ENOENT) if flags & O_CREAT != 0 && path.starts_with("/dev/") => {
                Err(Errno::EOPNOTSUPP)
            }
            found => found,
        }?;
        if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL {
            return Err(Errno::EEXIST);
        }
        if flags & O_DIRECTORY != 0 {
            return Err(Errno::ENOTDIR);
        }
        device.open(td, flags)
    }

    /// revoke(2).
    pub fn revoke(&self, td: &Thread, path: &str) -> Result<(), Errno> {
        let device = self.lookup(td, path)?;
        if device.cdev.si_usecount.load(SeqCst) > 0 {
            device.doom_vnode(td)?;
        }
        Ok(())
    }

    /// `make_dev_sv`: makes a device.
    ///
    /// # Errors
    ///
    /// The inner one: EINVAL, EEXIST, ENAMETOOLONG for the name.
    pub fn make_dev(
        &self,
        td: &Thread,
        call: &str,
        args: &MakeDevArgs,
        name: &str,
    ) -> Result<Result<*mut Cdev, Errno>, Stop> {
        if args.mda_flags & MAKEDEV_WAITOK != 0 {
            td.check_may_sleep(call, 0)?;
        }
        self.prepare_cdevsw(td, call, args)?;
        let name = match clean_name(name) {
            Ok(name) if self.state.lock().names.contains_key(&name) => Err(Errno::EEXIST),
            cleaned => cleaned,
        };
        let name = match name {
            Ok(name) => name,
            Err(error) if args.mda_flags & MAKEDEV_CHECKNAME != 0 => return Ok(Err(error)),
            Err(error) => {
                return Err(td.misuse(call, format!("bad si_name (error={})", error.0), None));
            }
        };
        let device = Device::new(args, name.clone());
        let cdev = Arc::as_ptr(&device).cast::<Cdev>().cast_mut();
        let mut state = self.state.lock();
        state.all.insert(cdev.addr(), device.clone());
        state.names.insert(name, device);
        Ok(Ok(cdev))
    }

    /// `prep_cdevsw`: the kernel writes to the module's cdevsw.
    fn prepare_cdevsw(&self, td: &Thread, call: &str, args: &MakeDevArgs) -> Result<(), Stop> {
        let Some(sw) = std::ptr::NonNull::new(args.mda_devsw) else {
            return Err(td.misuse(call, "the cdevsw is a null pointer", None));
        };
        // SAFETY: the module's cdevsw; it is read only.
        let (version, flags, name) = unsafe {
            (
                (*sw.as_ptr()).d_version,
                (*sw.as_ptr()).d_flags,
                (*sw.as_ptr()).d_name,
            )
        };
        let flags = flags | D_INIT;
        // SAFETY: the memory of the module. It may be read-only, which the copy reports.
        let written = unsafe {
            let to = (&raw mut (*sw.as_ptr()).d_flags).cast();
            fault::copy_user(to, (&raw const flags).cast(), size_of_val(&flags))
        };
        let name = c_string(name);
        if written.is_err() {
            return Err(td.misuse(
                call,
                "the cdevsw is in read-only memory, but the kernel writes to it",
                name,
            ));
        }
        if version != D_VERSION {
            td.kernel().console.print(&format!(
                "WARNING: Device driver \"{}\" has wrong version and is disabled.  Recompile KLD module.\n",
                name.as_deref().unwrap_or("???")
            ));
        }
        Ok(())
    }

    /// `destroy_dev`.
    pub fn destroy_dev(&self, td: &Thread, call: &str, cdev: *const Cdev) -> Result<(), Stop> {
        let device = self.state.lock().all.get(&cdev.addr()).cloned();
        let Some(device) = device else {
            return Err(td.misuse(call, "not a device", None));
        };
        let name = Some(device.name.clone());
        if device.cdev.si_flags.load(SeqCst) & SI_NAMED == 0 {
            return Err(td.misuse(call, "the device was already destroyed", name));
        }
        if td.own().devices.borrow().contains(&device.addr()) {
            return Err(td.misuse(
                call,
                "called in a method of the device: it would wait for itself",
                name,
            ));
        }
        let held = td.own().held.borrow().first().copied();
        if let Some(held) = held {
            let lock = td.kernel().name_of_lock(held.lock).unwrap_or_default();
            let message = format!(
                "waits for threads in the device's methods with a lock held, \"{lock}\", taken at {}",
                td.kernel().place(held.place)
            );
            return Err(td.misuse(call, message, name));
        }
        td.check_may_sleep(call, 0)?;
        self.delist_dev(&device);
        device.cdev.si_flags.fetch_and(!SI_NAMED, SeqCst);
        device.cdev.si_devsw.store(std::ptr::null_mut(), SeqCst);
        let how = Sleep::on(device.addr(), "devdrn");
        td.kernel()
            .sleep_until(td, how, || device.cdev.si_threadcount.load(SeqCst) == 0)?;
        PrivSlot::destroy_all(td, &device)?;
        device.cdev.si_drv1.store(std::ptr::null_mut(), SeqCst);
        device.cdev.si_drv2.store(std::ptr::null_mut(), SeqCst);
        Ok(())
    }

    /// `delist_dev`: takes the name away.
    pub fn delist_dev(&self, device: &Device) {
        let mut state = self.state.lock();
        if state
            .names
            .get(&device.name)
            .is_some_and(|named| std::ptr::eq(&**named, device))
        {
            let device = state.names.remove(&device.name);
            state.lingering.extend(device);
        }
    }

    /// The device that a module means.
    pub fn device(&self, cdev: *const Cdev) -> Option<Arc<Device>> {
        self.state.lock().all.get(&cdev.addr()).cloned()
    }

    /// The devices in `/dev`, by name.
    pub fn nodes(&self) -> Vec<DeviceNode> {
        let state = self.state.lock();
        let node = |device: &Arc<Device>| {
            let Cdev {
                si_uid: uid,
                si_gid: gid,
                si_mode,
                ..
            } = device.cdev;
            DeviceNode {
                name: device.name.clone(),
                uid,
                gid,
                mode: u32::from(si_mode) & 0o7777,
            }
        };
        let mut nodes: Vec<DeviceNode> = state.names.values().map(node).collect();
        nodes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        nodes
    }

    /// The name of a device whose cdevsw satisfies `ours`, if there is one.
    pub fn device_left(&self, ours: impl Fn(usize) -> bool) -> Option<String> {
        let state = self.state.lock();
        let mut left = state
            .names
            .values()
            .filter(|device| ours(device.cdev.si_devsw.load(SeqCst).addr()));
        left.next().map(|device| device.name.clone())
    }
}

/// A device, as it is seen in `/dev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Its name, without `/dev/`.
    pub name: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its permissions: the bits of `0o7777`.
    pub mode: u32,
}

/// `prep_devname`: strips leading and doubled slashes, and refuses an invalid name.
fn clean_name(name: &str) -> Result<String, Errno> {
    if name.len() > SPECNAMELEN {
        return Err(Errno::ENAMETOOLONG);
    }
    let name = name.trim_start_matches('/');
    let bad_char = |c: char| c.is_ascii_whitespace() || c == '"';
    if name.is_empty() || name.ends_with('/') || name.contains(bad_char) {
        return Err(Errno::EINVAL);
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Errno::EINVAL);
    }
    Ok(parts.join("/"))
}
