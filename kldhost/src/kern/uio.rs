//! Moving data between module and process: uio(9), copy(9).

use super::Kern;
use super::report::Stop;
use super::sleep::Sleep;
use super::thread::Thread;
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::machine::fault::copy_user;
use crate::machine::sync::atomic::AtomicBool;
use crate::machine::sync::atomic::Ordering::SeqCst;
use crate::machine::usermem::{is_hung, is_user_region};

/// A module that ignores more failures of uiomove(9) than this in one system call loops.
const MANY_FAILURES: u32 = 1000;

/// `uiomove`: moves up to `n` bytes; 0 or EFAULT. A segment that faults is not advanced.
pub fn uiomove(
    td: &Thread,
    call: &str,
    data: *mut u8,
    n: i32,
    uio: &mut Uio,
) -> Result<Errno, Stop> {
    if uio.uio_segflg == UIO_USERSPACE {
        td.check_may_sleep(call, 0)?;
        if uio.uio_td != std::ptr::from_ref(td).cast() {
            return Err(td.misuse(call, "uio_td is not curthread", None));
        }
    }
    if n < 0 {
        return Err(td.misuse(call, format!("the length is negative: {n}"), None));
    }
    let (mut data, mut left) = (data, n as usize);
    while left > 0 && uio.uio_resid > 0 {
        // SAFETY: uio_iov points to an iovec while uio_resid is not 0. The kernel made both.
        let iov = unsafe { &mut *uio.uio_iov };
        let count = iov.iov_len.min(left);
        if count == 0 {
            uio.uio_iov = uio.uio_iov.wrapping_add(1);
            uio.uio_iovcnt -= 1;
            continue;
        }
        if uio.uio_segflg == UIO_USERSPACE {
            fault_in(td, iov.iov_base.addr(), count)?;
        }
        let (to, from) = if uio.uio_rw == UIO_READ {
            (iov.iov_base, data)
        } else {
            (data, iov.iov_base)
        };
        let moved = match uio.uio_segflg {
            UIO_NOCOPY => Ok(()),
            // SAFETY: one side is the memory of the module, the other that of the process, which
            // may fault.
            _ => unsafe { copy_user(to, from, count) },
        };
        if moved.is_err() {
            return failed(td, call);
        }
        iov.iov_base = iov.iov_base.wrapping_add(count);
        iov.iov_len -= count;
        uio.uio_resid -= count as isize;
        uio.uio_offset = uio.uio_offset.wrapping_add(count as i64);
        data = data.wrapping_add(count);
        left -= count;
    }
    Ok(Errno(0))
}

fn failed(td: &Thread, call: &str) -> Result<Errno, Stop> {
    let failures = td.own().uiomove_failures.get() + 1;
    td.own().uiomove_failures.set(failures);
    if failures > MANY_FAILURES {
        let message =
            format!("has failed {failures} times in this system call: the module ignores EFAULT");
        return Err(td.misuse(call, message, None));
    }
    Ok(Errno::EFAULT)
}

/// `copyin`, `copyout`: 0 or EFAULT. `user` is the address in the process.
///
/// # Safety
///
/// `to` and `from` must be valid for `len` bytes where they are not `user`.
pub unsafe fn copy(
    td: &Thread,
    call: &str,
    to: *mut u8,
    from: *const u8,
    len: usize,
    user: usize,
) -> Result<Errno, Stop> {
    td.check_may_sleep(call, 0)?;
    if len == 0 {
        return Ok(Errno(0));
    }
    if !td.own().arguments.borrow().contains(user, len) && !is_user_region(user, len) {
        return Ok(Errno::EFAULT);
    }
    fault_in(td, user, len)?;
    // SAFETY: as required of the caller. The user's side may fault.
    let copied = unsafe { copy_user(to, from, len) };
    Ok(if copied.is_ok() {
        Errno(0)
    } else {
        Errno::EFAULT
    })
}

/// The page faults of a machine on hung mappings, [`UserMem::hung`](crate::UserMem::hung).
#[derive(Default)]
pub struct Faults {
    /// Whether they end at once.
    released: AtomicBool,
}

/// Takes the page fault on a hung mapping: the thread sleeps, its locks held, until it is released.
pub fn fault_in(td: &Thread, addr: usize, len: usize) -> Result<(), Stop> {
    if !is_hung(addr, len) {
        return Ok(());
    }
    let faults = &td.kernel().faults;
    td.kernel()
        .sleep_until(td, Sleep::on(faults.chan(), "hungpg"), || {
            faults.released.load(SeqCst)
        })
}

impl Faults {
    fn chan(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Kern {
    /// See [`Kernel::release_faults`](crate::Kernel::release_faults).
    pub fn release_faults(&self) {
        self.faults.released.store(true, SeqCst);
        self.sleepq.wakeup(self.faults.chan());
    }
}

/// The memory that a process has passed to the current system call.
#[derive(Default)]
pub struct Arguments(Vec<(usize, usize)>);

impl Arguments {
    /// From addresses and lengths.
    pub fn new(ranges: Vec<(usize, usize)>) -> Arguments {
        Arguments(ranges)
    }

    fn contains(&self, addr: usize, len: usize) -> bool {
        self.0
            .iter()
            .any(|&(start, n)| addr >= start && len <= n && addr - start <= n - len)
    }
}
