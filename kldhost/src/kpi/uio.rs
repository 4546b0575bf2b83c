//! uio(9) and copy(9).

use std::ffi::{c_int, c_void};

use super::{arg_mut, check_pointer, kpi};
use crate::abi::errno::Errno;
use crate::abi::layout::Uio;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::kern::uio;

fn copy(
    td: &Thread,
    call: &str,
    to: *mut u8,
    from: *const u8,
    len: usize,
    user: usize,
) -> Result<c_int, Stop> {
    let kernel = if user == to.addr() {
        from.addr()
    } else {
        to.addr()
    };
    check_pointer(td, call, kernel)?;
    // SAFETY: the module vouches for its side.
    unsafe { uio::copy(td, call, to, from, len, user) }.map(|error| error.0)
}

kpi! {
    fn uiomove(td, data: *mut u8, n: c_int, uio: *mut Uio) -> c_int {
        uio::uiomove(td, "uiomove", data, n, arg_mut(td, "uiomove", uio)?).map(|error| error.0)
    }

    fn uiomove_frombuf(td, buf: *mut u8, len: c_int, uio: *mut Uio) -> c_int {
        let uio = arg_mut(td, "uiomove_frombuf", uio)?;
        let Ok(offset) = usize::try_from(uio.uio_offset) else { return Ok(Errno::EINVAL.0) };
        if uio.uio_resid < 0 || len <= 0 || offset >= len as usize {
            return Ok(if uio.uio_resid < 0 || len < 0 { Errno::EINVAL.0 } else { 0 });
        }
        let n = len - offset as c_int;
        uio::uiomove(td, "uiomove_frombuf", buf.wrapping_add(offset), n, uio).map(|error| error.0)
    }

    fn copyin(td, user: *const c_void, kernel: *mut c_void, len: usize) -> c_int {
        copy(td, "copyin", kernel.cast(), user.cast(), len, user.addr())
    }

    fn copyout(td, kernel: *const c_void, user: *mut c_void, len: usize) -> c_int {
        copy(td, "copyout", user.cast(), kernel.cast(), len, user.addr())
    }
}
