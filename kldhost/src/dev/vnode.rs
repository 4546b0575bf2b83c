//! The vnodes of devices.

use super::device::{Device, FREVOKE};
use crate::abi::syscall::O_NONBLOCK;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::Mutex;
use crate::machine::sync::atomic::AtomicBool;
use crate::machine::sync::atomic::Ordering::SeqCst;

/// The vnode of a device, which opens share until it is doomed. revoke(2) dooms it, and so does the
/// next lookup after the device was destroyed.
#[derive(Default)]
pub struct Vnode {
    /// How many descriptions are open through it.
    opens: Mutex<u64>,
    /// `VIRF_DOOMED`. Changes with `opens` locked.
    doomed: AtomicBool,
}

impl Vnode {
    /// Whether it was taken from its device.
    pub fn is_doomed(&self) -> bool {
        self.doomed.load(SeqCst)
    }

    /// Counts an open.
    pub fn opened(&self, device: &Device) {
        let mut opens = self.opens.lock();
        if !self.is_doomed() {
            *opens += 1;
            device.cdev.si_usecount.fetch_add(1, SeqCst);
        }
    }

    /// Counts a close: whether it is the last of the device, or `None` if the vnode is doomed.
    pub fn closed(&self, device: &Device) -> Option<bool> {
        let mut opens = self.opens.lock();
        if self.is_doomed() {
            return None;
        }
        *opens -= 1;
        Some(device.cdev.si_usecount.fetch_sub(1, SeqCst) == 1)
    }

    /// `vgone`: takes the vnode from its device, with a forced close if it is open.
    pub fn doom(&self, td: &Thread, device: &Device) -> Result<(), Stop> {
        let opens = {
            let mut opens = self.opens.lock();
            self.doomed.store(true, SeqCst);
            std::mem::take(&mut *opens)
        };
        if opens > 0 {
            let last = device.cdev.si_usecount.fetch_sub(opens, SeqCst) == 1;
            // td_fpop is left unchanged, because this close is not of a particular file.
            device.close(td, O_NONBLOCK | FREVOKE, last)?;
        }
        Ok(())
    }
}
