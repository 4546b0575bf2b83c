//! Data that a module attaches to an open file, devfs_set_cdevpriv(9).

use super::device::Device;
use crate::abi::errno::Errno;
use crate::kern::module_call;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::{Arc, Mutex};

/// The place for it in a file. The device lists those that are in use, since destroy_dev(9)
/// destroys the data.
#[derive(Default)]
pub struct PrivSlot(Mutex<Option<Private>>);

#[derive(Clone, Copy)]
struct Private {
    data: usize,
    destructor: usize,
}

impl PrivSlot {
    /// `devfs_set_cdevpriv`: EBUSY if there is some already.
    pub fn set(
        self: &Arc<PrivSlot>,
        device: &Device,
        data: usize,
        destructor: usize,
    ) -> Result<(), Errno> {
        let mut listed = device.privs.lock();
        let mut slot = self.0.lock();
        if slot.is_some() {
            return Err(Errno::EBUSY);
        }
        *slot = Some(Private { data, destructor });
        listed.push(self.clone());
        Ok(())
    }

    /// `devfs_get_cdevpriv`.
    pub fn get(&self) -> Option<usize> {
        self.0.lock().map(|private| private.data)
    }

    /// Removes the data, and calls its destructor.
    pub fn destroy(&self, td: &Thread, device: &Device) -> Result<(), Stop> {
        let private = {
            let mut listed = device.privs.lock();
            listed.retain(|slot| !std::ptr::eq(&**slot, self));
            self.0.lock().take()
        };
        let Some(private) = private else {
            return Ok(());
        };
        let locks = td.own().held.borrow().len();
        // SAFETY: the module gave this destructor with the data; it takes that one argument.
        unsafe { module_call::call(td, private.destructor, [private.data, 0, 0, 0, 0, 0])? };
        td.check_no_locks("cdevpriv destructor", locks)
    }

    /// Destroys the data of all files open on `device`.
    pub fn destroy_all(td: &Thread, device: &Device) -> Result<(), Stop> {
        loop {
            let Some(slot) = device.privs.lock().last().cloned() else {
                return Ok(());
            };
            slot.destroy(td, device)?;
        }
    }

    /// Calls `function(data, arg)` for the data of each file open on `device`, until one returns
    /// nonzero, which is the result: `devfs_foreach_cdevpriv`.
    pub fn for_each(
        td: &Thread,
        device: &Device,
        function: usize,
        arg: usize,
    ) -> Result<i32, Stop> {
        let data: Vec<usize> = device
            .privs
            .lock()
            .iter()
            .filter_map(|slot| slot.get())
            .collect();
        for data in data {
            // SAFETY: the module gave this function for just that.
            let result =
                unsafe { module_call::call(td, function, [data, arg, 0, 0, 0, 0])? } as i32;
            if result != 0 {
                return Ok(result);
            }
        }
        Ok(0)
    }
}
