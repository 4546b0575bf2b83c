//! The structures that modules and kernel share, laid out as in FreeBSD 14 and 15, amd64.
//!
//! Modules read and write these through macros and directly, so sizes and offsets are binding.
//! Fields that other threads change without a lock are atomics here.

use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};

use super::syscall::Kevent;

/// `struct lock_object`, `<sys/_lock.h>`.
#[repr(C)]
pub struct LockObject {
    pub lo_name: *const c_char,
    pub lo_flags: AtomicU32,
    pub lo_data: AtomicU32,
    pub lo_witness: *mut c_void,
}

pub const LO_INITIALIZED: u32 = 0x0001_0000;
pub const LO_RECURSABLE: u32 = 0x0008_0000;
pub const LO_SLEEPABLE: u32 = 0x0010_0000;
pub const LO_CLASSMASK: u32 = 0x0f00_0000;
/// `LO_CLASSINDEX` of `lock_class_mtx_sleep`, in place.
pub const LO_CLASS_MTX: u32 = 1 << 24;
/// `LO_CLASSINDEX` of `lock_class_sx`, in place.
pub const LO_CLASS_SX: u32 = 2 << 24;

pub const LA_UNLOCKED: c_int = 0;
pub const LA_LOCKED: c_int = 1;
pub const LA_SLOCKED: c_int = 2;
pub const LA_XLOCKED: c_int = 4;
pub const LA_RECURSED: c_int = 8;
pub const LA_NOTRECURSED: c_int = 16;

/// A lock with a lock word: `struct sx`, `struct mtx`.
#[repr(C)]
pub struct Lock {
    pub lock_object: LockObject,
    pub word: AtomicUsize,
}

impl Lock {
    /// The address, which names the lock.
    pub fn addr(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn has(&self, flag: u32) -> bool {
        self.lock_object.lo_flags.load(Relaxed) & flag != 0
    }

    /// `LO_INITIALIZED`.
    pub fn is_initialised(&self) -> bool {
        self.has(LO_INITIALIZED)
    }

    /// `SX_RECURSE`, `MTX_RECURSE`.
    pub fn is_recursable(&self) -> bool {
        self.has(LO_RECURSABLE)
    }

    /// Whether it is an initialised lock of this class.
    pub fn is_class(&self, class: u32) -> bool {
        self.lock_object.lo_flags.load(Relaxed) & (LO_CLASSMASK | LO_INITIALIZED)
            == class | LO_INITIALIZED
    }
}

/// `struct iovec`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Iovec {
    pub iov_base: *mut u8,
    pub iov_len: usize,
}

pub const UIO_READ: c_int = 0;
pub const UIO_WRITE: c_int = 1;
pub const UIO_USERSPACE: c_int = 0;
pub const UIO_NOCOPY: c_int = 2;

/// `struct uio`.
#[repr(C)]
pub struct Uio {
    pub uio_iov: *mut Iovec,
    pub uio_iovcnt: c_int,
    pub uio_offset: i64,
    pub uio_resid: isize,
    pub uio_segflg: c_int,
    pub uio_rw: c_int,
    pub uio_td: *const c_void,
}

/// `struct knlist`. `kl_list` is the head of a list linked by [`Knote::kn_selnext`].
#[repr(C)]
pub struct Knlist {
    pub kl_list: AtomicPtr<Knote>,
    pub kl_lock: usize,
    pub kl_unlock: usize,
    pub kl_assert_lock: usize,
    pub kl_lockarg: *mut c_void,
    pub kl_autodestroy: c_int,
}

/// `struct selinfo`. `SEL_WAITING()` reads `tdlist_first`.
#[repr(C)]
pub struct Selinfo {
    pub tdlist_first: AtomicPtr<c_void>,
    pub tdlist_last: *mut c_void,
    pub si_note: Knlist,
    pub si_mtx: AtomicPtr<c_void>,
}

/// `struct filterops` of 15.1. Earlier releases have less of it: see `dev::kqueue::table`.
#[repr(C)]
pub struct Filterops {
    pub f_isfd: c_int,
    pub f_attach: usize,
    pub f_detach: usize,
    pub f_event: usize,
    pub f_touch: usize,
    pub f_userdump: usize,
    pub f_copy: usize,
}

/// `struct knote`.
#[repr(C)]
pub struct Knote {
    pub kn_link: *mut Knote,
    pub kn_selnext: *mut Knote,
    pub kn_knlist: *mut Knlist,
    pub kn_tqe: [*mut c_void; 2],
    pub kn_kq: *const c_void,
    pub kn_kevent: Kevent,
    pub kn_hook: *mut c_void,
    pub kn_hookid: c_int,
    pub kn_status: c_int,
    pub kn_influx: c_int,
    pub kn_sfflags: c_int,
    pub kn_sdata: i64,
    pub kn_ptr: *const c_void,
    pub kn_fop: *const Filterops,
}

/// `struct kinfo_knote`, `<sys/user.h>`.
#[repr(C)]
pub struct KinfoKnote {
    pub knt_kq_fd: c_int,
    pub knt_event: Kevent,
    pub knt_status: c_int,
    pub knt_extdata: c_int,
    pub knt_spare0: [u64; 4],
    /// Data that the filter adds. For a file, this is its path.
    pub knt_more: [u64; 131],
}

pub const KN_ACTIVE: c_int = 0x01;
pub const KN_QUEUED: c_int = 0x02;
pub const KN_DISABLED: c_int = 0x04;
pub const KN_DETACHED: c_int = 0x08;
pub const KN_SCAN: c_int = 0x100;

pub const KNF_LISTLOCKED: c_int = 1;
pub const KNF_NOKQLOCK: c_int = 2;

pub const SPECNAMELEN: usize = 255;

/// `struct cdev`.
#[repr(C)]
pub struct Cdev {
    pub si_spare0: *mut c_void,
    pub si_flags: AtomicU32,
    pub si_times: [[c_long; 2]; 3],
    pub si_uid: c_uint,
    pub si_gid: c_uint,
    pub si_mode: u16,
    pub si_cred: *mut c_void,
    pub si_drv0: c_int,
    pub si_refcount: c_int,
    pub si_list: [*mut c_void; 2],
    pub si_clone: [*mut c_void; 2],
    pub si_children: *mut c_void,
    pub si_siblings: [*mut c_void; 2],
    pub si_parent: *mut c_void,
    pub si_mountpt: *mut c_void,
    pub si_drv1: AtomicPtr<c_void>,
    pub si_drv2: AtomicPtr<c_void>,
    pub si_devsw: AtomicPtr<Cdevsw>,
    pub si_iosize_max: c_int,
    pub si_usecount: AtomicU64,
    pub si_threadcount: AtomicU64,
    pub si_u: *mut c_void,
    pub si_name: [u8; SPECNAMELEN + 1],
}

pub const SI_NAMED: u32 = 0x0004;

/// `struct cdevsw`.
#[repr(C)]
pub struct Cdevsw {
    pub d_version: c_int,
    pub d_flags: c_uint,
    pub d_name: *const c_char,
    pub d_open: usize,
    pub d_fdopen: usize,
    pub d_close: usize,
    pub d_read: usize,
    pub d_write: usize,
    pub d_ioctl: usize,
    pub d_poll: usize,
    pub d_mmap: usize,
    pub d_strategy: usize,
    pub d_spare0: usize,
    pub d_kqfilter: usize,
    pub d_purge: usize,
    pub d_mmap_single: usize,
    pub d_spare1: [i32; 3],
    pub d_spare2: [usize; 3],
    pub d_devs: *mut c_void,
    pub d_spare3: c_int,
    pub d_giant: *mut c_void,
}

pub const D_VERSION: c_int = 0x5c48_c353;
pub const D_TYPEMASK: c_uint = 0xffff;
pub const D_TRACKCLOSE: c_uint = 0x0008_0000;
pub const D_INIT: c_uint = 0x8000_0000;

/// `struct make_dev_args`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MakeDevArgs {
    pub mda_size: usize,
    pub mda_flags: c_int,
    pub mda_devsw: *mut Cdevsw,
    pub mda_cr: *mut c_void,
    pub mda_uid: c_uint,
    pub mda_gid: c_uint,
    pub mda_mode: c_int,
    pub mda_unit: c_int,
    pub mda_si_drv1: *mut c_void,
    pub mda_si_drv2: *mut c_void,
}

pub const MAKEDEV_WAITOK: c_int = 0x08;
pub const MAKEDEV_CHECKNAME: c_int = 0x20;

/// `struct malloc_type`.
#[repr(C)]
pub struct MallocType {
    pub ks_next: *mut c_void,
    pub ks_version: c_ulong,
    pub ks_shortdesc: *const c_char,
    pub ks_mti: [c_ulong; 11],
}

pub const M_WAITOK: c_int = 0x0002;
pub const M_ZERO: c_int = 0x0100;

/// `struct bintime`.
#[repr(C)]
pub struct Bintime {
    pub sec: i64,
    /// In units of 2^-64 seconds.
    pub frac: u64,
}

/// `struct sysinit`.
#[repr(C)]
pub struct Sysinit {
    pub subsystem: c_uint,
    pub order: c_uint,
    pub next: *mut c_void,
    pub func: usize,
    pub udata: *mut c_void,
}

/// `struct moduledata`.
#[repr(C)]
pub struct Moduledata {
    pub name: *const c_char,
    pub evhand: usize,
    pub data: *mut c_void,
}

pub const MOD_LOAD: c_int = 0;
pub const MOD_UNLOAD: c_int = 1;
pub const MOD_QUIESCE: c_int = 3;

#[cfg(test)]
mod tests;
