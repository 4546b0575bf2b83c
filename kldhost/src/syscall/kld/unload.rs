//! Unloading a file, and the checks that nothing still points into it.

use crate::abi::errno::Errno;
use crate::abi::layout::{MOD_QUIESCE, MOD_UNLOAD};
use crate::dev::Dev;
use crate::kern::linker::File;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;
use crate::machine::sync::Arc;

/// `linker_file_unload`.
pub fn unload(td: &Thread, file: &Arc<File>, force: bool) -> Result<(), Errno> {
    let kern = td.kernel();
    let modules = file.modules.lock().clone();
    for module in &modules {
        match file.module_event(td, module, MOD_QUIESCE)? {
            Errno(0) | Errno::EOPNOTSUPP | Errno::EINVAL => {}
            error if !force => return Err(error),
            _ => {}
        }
    }
    for module in &modules {
        Errno::check(file.module_event(td, module, MOD_UNLOAD)?.0)?;
        file.modules
            .lock()
            .retain(|other| other.data != module.data);
    }
    kern.check_memory(td, "kldunload")?;
    file.run_sysinits(td, "sysuninit_set", true)?;
    check_nothing_left(td, file)?;
    kern.files.retire(file);
    kern.witness.memory_gone(|addr| file.image.contains(addr));
    kern.end_quarantine(|addr| file.image.contains(addr));
    file.image.retire();
    Ok(())
}

/// Nothing may still point into a module that is unloaded.
fn check_nothing_left(td: &Thread, file: &File) -> Result<(), Stop> {
    let (kern, dev) = (td.kernel(), Dev::of(td.kernel()));
    let ours = |addr: usize| file.image.contains(addr);
    let report = |message: String, object: Option<String>| {
        Err(td.misuse_at(
            0,
            "kldunload",
            message,
            object.or_else(|| Some(file.name.clone())),
        ))
    };
    if let Some(device) = dev.devfs.device_left(ours) {
        return report(
            "a device of the module is left: destroy_dev(9)".to_string(),
            Some(device),
        );
    }
    let place = |other: &Arc<Thread>| Some((other.clone(), other.places.find(ours)?));
    if let Some((other, place)) = kern.threads().iter().find_map(place) {
        let (tid, pid, place) = (other.tid, other.pid(), kern.place(place));
        return report(
            format!("thread {tid} of process {pid} is still in {place}"),
            None,
        );
    }
    if let Some((_, other)) = kern.sleepq.sleepers(ours).first() {
        let message = format!(
            "thread {} of process {} sleeps in the module's memory",
            other.tid,
            other.pid()
        );
        return report(message, None);
    }
    if dev.knlists.any(ours) || dev.tables.any(ours) {
        return report(
            "knotes still point into the module: knlist_delete(9)".to_string(),
            None,
        );
    }
    if dev.waiters.any(ours) {
        return report(
            "a selinfo of the module still has waiters: seldrain(9)".to_string(),
            None,
        );
    }
    Ok(())
}
