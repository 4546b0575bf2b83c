//! `/dev/hungmap` of `tests/vm/modules`, memory whose page faults do not end.

use crate::freebsd::Result;
use crate::freebsd::files::{self, Iovec};
use crate::freebsd::mapping::DevicePage;
use crate::freebsd::processes;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};
use suite::abi::{O_RDWR, O_WRONLY};

const DEVICE: &CStr = c"/dev/hungmap";

/// The pages of the device that are always present (`HUNGMAP_PAGES`).
const PAGES: usize = 64;

/// More than there are process ids.
const PIDS: usize = 1 << 17;

/// Arms the device, so that later faults do not end.
pub fn arm() -> Result<()> {
    order(b"1")
}

/// Ends every fault.
pub fn release() -> Result<()> {
    order(b"0")
}

fn order(order: &[u8; 1]) -> Result<()> {
    let fd = files::open(DEVICE, O_WRONLY)?;
    let done = files::write(
        fd,
        Iovec {
            base: order.as_ptr() as usize,
            len: order.len(),
        },
    );
    files::close(fd)?;
    done.map(drop)
}

/// A page that hangs, and another mapping of the same memory that does not.
pub struct HungPage {
    /// A page that is always present.
    pub view: DevicePage,
    /// The page whose fault does not end.
    pub hung: DevicePage,
}

impl HungPage {
    /// A page that was never accessed. A page that was once present does not hang again.
    pub fn new() -> Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = PIDS * COUNT.fetch_add(1, Ordering::Relaxed) + processes::getpid() as usize;
        let fd = files::open(DEVICE, O_RDWR)?;
        let view = DevicePage::new(fd, number % PAGES);
        let hung = DevicePage::new(fd, PAGES + number);
        files::close(fd)?;
        Ok(Self {
            view: view?,
            hung: hung?,
        })
    }
}
