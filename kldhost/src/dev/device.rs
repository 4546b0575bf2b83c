//! A device and its open files: `struct cdev`.

use std::ffi::c_int;

use super::cdevpriv::PrivSlot;
use super::file::{FMASK, File, FileRef, Kind};
use super::vnode::Vnode;
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::{O_CREAT, O_DIRECTORY};
use crate::kern::module_call;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::atomic::AtomicBool;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::sync::{self, Arc, Mutex};

/// `FLASTCLOSE`: the device is not open any longer.
const FLASTCLOSE: i32 = O_DIRECTORY;
/// `FREVOKE`: a forced close.
pub const FREVOKE: i32 = 0x0020_0000;
/// `S_IFCHR`, which d_open and d_close get as the type of device.
const S_IFCHR: usize = 0o020000;

/// A device: `struct cdev`, followed by fields that modules do not see.
#[repr(C)]
pub struct Device {
    /// The part that modules see. They hold pointers to it and change `si_drv1`, `si_drv2`.
    pub cdev: Cdev,
    /// Its name, without `/dev/`.
    pub name: String,
    /// The vnode that opens go through; `None` until the first, or when it was revoked.
    vnode: Mutex<Option<Arc<Vnode>>>,
    /// The cdevpriv data of all files open on it.
    pub privs: Mutex<Vec<Arc<PrivSlot>>>,
}

// SAFETY: the raw pointers in `cdev` are the module's, and are not followed here. All other data is
// atomic or locked.
unsafe impl Send for Device {}
// SAFETY: as above.
unsafe impl Sync for Device {}

/// A file open on a device.
pub struct DevFile {
    /// `f_vnode`.
    pub vnode: Arc<Vnode>,
    /// `f_data`.
    pub device: Arc<Device>,
    /// `f_cdevpriv`.
    pub private: Arc<PrivSlot>,
    /// Set when d_open has succeeded, so that d_close has to be called.
    opened: AtomicBool,
}

/// A device that a thread is in a method of: `dev_refthread`. It is not destroyed while there is
/// one.
pub struct InDevice<'a> {
    td: &'a Thread,
    device: &'a Device,
    /// Its methods.
    pub sw: &'a Cdevsw,
}

impl Device {
    /// A device as make_dev(9) makes it.
    pub fn new(args: &MakeDevArgs, name: String) -> Arc<Device> {
        let cdev = new_cdev(args, &name);
        Arc::new(Device {
            cdev,
            name,
            vnode: Mutex::default(),
            privs: Mutex::default(),
        })
    }

    /// The address that modules use for it.
    pub fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Enters the device, to call a method; `None` if it was destroyed.
    pub fn enter<'a>(&'a self, td: &'a Thread) -> Option<InDevice<'a>> {
        // The count is incremented before the cdevsw is read. destroy_dev(9) clears the cdevsw
        // before it reads the count.
        self.cdev.si_threadcount.fetch_add(1, SeqCst);
        sync::switch("dev_refthread");
        let sw = self.cdev.si_devsw.load(SeqCst);
        if sw.is_null() {
            self.leave(td);
            return None;
        }
        td.own().devices.borrow_mut().push(self.addr());
        // SAFETY: the module's cdevsw lives until its devices are destroyed, which waits for this
        // thread.
        let sw = unsafe { &*sw };
        Some(InDevice {
            td,
            device: self,
            sw,
        })
    }

    fn leave(&self, td: &Thread) {
        sync::switch("dev_relthread");
        let last = self.cdev.si_threadcount.fetch_sub(1, SeqCst) == 1;
        if last && self.cdev.si_devsw.load(SeqCst).is_null() {
            td.kernel().sleepq.wakeup(self.addr());
        }
    }

    /// The vnode that opens go through.
    fn vnode(&self) -> Arc<Vnode> {
        self.vnode.lock().get_or_insert_default().clone()
    }
}

impl Drop for InDevice<'_> {
    fn drop(&mut self) {
        self.td.own().devices.borrow_mut().pop();
        self.device.leave(self.td);
    }
}

impl InDevice<'_> {
    /// Calls the method of this name and address; `default` is its result when the module has none.
    pub fn call(
        &self,
        name: &str,
        method: usize,
        default: Errno,
        args: [usize; 5],
    ) -> Result<c_int, Stop> {
        if self.sw.d_version != D_VERSION {
            return Ok(Errno::ENXIO.0);
        }
        if method == 0 {
            return Ok(default.0);
        }
        let [a, b, c, d, e] = args;
        let locks = self.td.own().held.borrow().len();
        // SAFETY: the cdevsw declares the method, with arguments of these sizes.
        let result = unsafe { module_call::call(self.td, method, [a, b, c, d, e, 0])? };
        self.td.check_no_locks(name, locks)?;
        Ok(result as c_int)
    }

    /// `struct cdev *`, as an argument.
    pub fn cdev(&self) -> usize {
        self.device.addr()
    }
}

impl Device {
    /// `devfs_close`: calls d_close, if this is a close for which the module is called.
    pub fn close(&self, td: &Thread, fflag: i32, last: bool) -> Result<c_int, Stop> {
        let Some(inside) = self.enter(td) else {
            return Ok(Errno::ENXIO.0);
        };
        if fflag & FREVOKE == 0 && inside.sw.d_flags & D_TRACKCLOSE == 0 && !last {
            return Ok(0);
        }
        let fflag = if last { fflag | FLASTCLOSE } else { fflag };
        inside.call(
            "d_close",
            inside.sw.d_close,
            Errno(0),
            [self.addr(), fflag as usize, S_IFCHR, td.addr(), 0],
        )
    }

    /// `devfs_open`, with the flags of open(2).
    pub fn open(self: &Arc<Device>, td: &Thread, flags: i32) -> Result<FileRef, Errno> {
        // FFLAGS(): the access mode becomes FREAD and FWRITE.
        let mode = (flags + 1) & !O_CREAT;
        let inside = self.enter(td).ok_or(Errno::ENXIO)?;
        let (vnode, device) = (self.vnode(), self.clone());
        let open = DevFile {
            vnode,
            device,
            private: Arc::default(),
            opened: AtomicBool::new(false),
        };
        let file = FileRef::new(mode & FMASK, Kind::Device(open));
        let args = [self.addr(), mode as usize, S_IFCHR, td.addr(), 0];
        let error = with_file(td, &file, || {
            inside.call("d_open", inside.sw.d_open, Errno(0), args)
        })?;
        match Errno(error) {
            Errno(0) => {
                if let Some(open) = file.device() {
                    open.opened();
                }
                Ok(file)
            }
            Errno::ERESTART => Err(Errno::EINTR),
            error => Err(error),
        }
    }

    /// `vgone` of its vnode, if there is one. The next open makes another.
    pub fn doom_vnode(&self, td: &Thread) -> Result<(), Stop> {
        let vnode = self.vnode.lock().take();
        vnode.map_or(Ok(()), |vnode| vnode.doom(td, self))
    }
}

impl DevFile {
    /// d_open has succeeded.
    fn opened(&self) {
        self.opened.store(true, SeqCst);
        self.vnode.opened(&self.device);
    }

    /// `devfs_fp_check`: enters the device; `None` if it was destroyed or the vnode is doomed.
    pub fn enter<'a>(&'a self, td: &'a Thread) -> Option<InDevice<'a>> {
        if self.is_doomed() {
            None
        } else {
            self.device.enter(td)
        }
    }

    /// Whether the vnode was taken from the device.
    pub fn is_doomed(&self) -> bool {
        self.vnode.is_doomed()
    }

    /// `devfs_close_f`.
    pub fn close(&self, td: &Thread, file: &File) -> Result<(), Errno> {
        let is_open = self.opened.load(SeqCst);
        let error = match is_open.then(|| self.vnode.closed(&self.device)).flatten() {
            Some(last) => with_file(td, file, || {
                self.device.close(td, file.flag.load(SeqCst), last)
            })?,
            None => 0,
        };
        self.private.destroy(td, &self.device)?;
        Errno::check(error)
    }
}

/// Runs `body` with `td_fpop` set.
pub fn with_file<T>(td: &Thread, file: &File, body: impl FnOnce() -> T) -> T {
    let before = td.own().fpop.replace(std::ptr::from_ref(file).cast());
    let result = body();
    td.own().fpop.set(before);
    result
}

/// The file open on a device whose method runs; `None` outside of a method.
pub fn file_in_method(td: &Thread) -> Option<&DevFile> {
    let file = td.own().fpop.get().cast::<File>();
    // SAFETY: only `with_file` sets it, while its caller has the file.
    unsafe { file.as_ref() }?.device()
}

fn new_cdev(args: &MakeDevArgs, name: &str) -> Cdev {
    let mut si_name = [0; SPECNAMELEN + 1];
    si_name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: all-zero bytes are valid for every field.
    let blank: Cdev = unsafe { std::mem::zeroed() };
    Cdev {
        si_flags: SI_NAMED.into(),
        si_uid: args.mda_uid,
        si_gid: args.mda_gid,
        si_mode: args.mda_mode as u16,
        si_cred: args.mda_cr,
        si_drv0: args.mda_unit,
        si_refcount: 1,
        si_drv1: args.mda_si_drv1.into(),
        si_drv2: args.mda_si_drv2.into(),
        si_devsw: args.mda_devsw.into(),
        si_name,
        ..blank
    }
}
