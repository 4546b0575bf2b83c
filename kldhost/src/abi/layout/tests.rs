//! The structures against the bindings that are made from FreeBSD's own headers.
//!
//! Those have neither `struct sysinit` nor `struct moduledata`. Each load of a module uses every
//! field of these.

use std::mem::offset_of;

use super::*;

#[allow(dead_code, nonstandard_style, clashing_extern_declarations, missing_docs, clippy::all)]
#[rustfmt::skip]
#[path = "../../../../freebsd-kernel-sys/src/v14.rs"]
mod v14;
#[allow(dead_code, nonstandard_style, clashing_extern_declarations, missing_docs, clippy::all)]
#[rustfmt::skip]
#[path = "../../../../freebsd-kernel-sys/src/v15.rs"]
mod v15;

fn size_of_field<T, F>(_field: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Compares offset and size of fields: the name here, and where it is another, the one there.
macro_rules! fields {
    ($sys:ident, $ours:ident = $theirs:ident: $($field:ident $(= $name:ident)?),* $(,)?) => {
        $(fields!(@one $sys, $ours, $theirs, $field $($name)?);)*
    };
    (@one $sys:ident, $ours:ident, $theirs:ident, $field:ident) => {
        fields!(@one $sys, $ours, $theirs, $field $field)
    };
    (@one $sys:ident, $ours:ident, $theirs:ident, $field:ident $name:ident) => {{
        let ours = (offset_of!($ours, $field), size_of_field(|it: &$ours| &it.$field));
        let theirs = (offset_of!($sys::$theirs, $name), size_of_field(|it: &$sys::$theirs| &it.$name));
        assert_eq!(ours, theirs, "{}: offset and size of {}.{}", stringify!($sys), stringify!($theirs), stringify!($name));
    }};
}

/// Compares the whole also.
macro_rules! whole {
    ($sys:ident, $ours:ident = $theirs:ident: $($fields:tt)*) => {{
        let sizes = (size_of::<$ours>(), align_of::<$ours>());
        let theirs = (size_of::<$sys::$theirs>(), align_of::<$sys::$theirs>());
        assert_eq!(sizes, theirs, "{}: size and alignment of {}", stringify!($sys), stringify!($theirs));
        fields!($sys, $ours = $theirs: $($fields)*);
    }};
}

macro_rules! all {
    ($sys:ident) => {
        whole!($sys, LockObject = lock_object: lo_name, lo_flags, lo_data, lo_witness);
        whole!($sys, Lock = sx: lock_object, word = sx_lock);
        whole!($sys, Lock = mtx: lock_object, word = mtx_lock);
        whole!($sys, Iovec = iovec: iov_base, iov_len);
        whole!($sys, Uio = uio: uio_iov, uio_iovcnt, uio_offset, uio_resid, uio_segflg, uio_rw, uio_td);
        whole!($sys, Knlist = knlist: kl_list, kl_lock, kl_unlock, kl_assert_lock, kl_lockarg, kl_autodestroy);
        whole!($sys, Selinfo = selinfo: si_note, si_mtx);
        fields!($sys, Selinfo = selfdlist: tdlist_first = tqh_first, tdlist_last = tqh_last);
        fields!($sys, Filterops = filterops: f_isfd, f_attach, f_detach, f_event, f_touch);
        whole!($sys, Kevent = kevent: ident, filter, flags, fflags, data, udata, ext);
        whole!($sys, Knote = knote: kn_link, kn_selnext, kn_knlist, kn_tqe, kn_kq, kn_kevent, kn_hook, kn_hookid,
            kn_status, kn_influx, kn_sfflags, kn_sdata, kn_ptr, kn_fop);
        whole!($sys, Cdev = cdev: si_spare0, si_flags, si_uid, si_gid, si_mode, si_cred, si_drv0, si_refcount, si_list,
            si_clone, si_children, si_siblings, si_parent, si_mountpt, si_drv1, si_drv2, si_devsw, si_iosize_max,
            si_usecount, si_threadcount, si_u = __si_u, si_name);
        assert_eq!(offset_of!(Cdev, si_times), offset_of!($sys::cdev, si_atime));
        whole!($sys, Cdevsw = cdevsw: d_version, d_flags, d_name, d_open, d_fdopen, d_close, d_read, d_write, d_ioctl,
            d_poll, d_mmap, d_strategy, d_spare0, d_kqfilter, d_purge, d_mmap_single, d_spare1, d_spare2, d_devs,
            d_spare3, d_giant = __d_giant);
        whole!($sys, MakeDevArgs = make_dev_args: mda_size, mda_flags, mda_devsw, mda_cr, mda_uid, mda_gid, mda_mode,
            mda_unit, mda_si_drv1, mda_si_drv2);
        whole!($sys, MallocType = malloc_type: ks_next, ks_version, ks_shortdesc, ks_mti);
        whole!($sys, Bintime = bintime: sec, frac);
        let ours = [KN_DISABLED, KNF_LISTLOCKED, MAKEDEV_WAITOK, MAKEDEV_CHECKNAME, M_WAITOK, M_ZERO];
        let theirs = [$sys::KN_DISABLED, $sys::KNF_LISTLOCKED, $sys::MAKEDEV_WAITOK, $sys::MAKEDEV_CHECKNAME,
            $sys::M_WAITOK, $sys::M_ZERO];
        assert_eq!(ours, theirs, "{}", stringify!($sys));
    };
}

#[test]
fn structures_are_those_of_14() {
    all!(v14);
    assert_eq!(
        size_of::<v14::filterops>(),
        offset_of!(Filterops, f_userdump)
    );
}

#[test]
fn structures_are_those_of_15() {
    all!(v15);
    fields!(v15, Filterops = filterops: f_userdump);
    assert_eq!(size_of::<v15::filterops>(), offset_of!(Filterops, f_copy));
    // `testmods/filters.c` compares this one with the headers.
    assert_eq!(size_of::<KinfoKnote>(), 1160);
}
