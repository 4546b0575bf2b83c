//! Loading and unloading modules, kldload(2) and kldunload(2).

use std::ffi::c_int;

use super::lock::c_string;
use super::module_call;
use super::report::Stop;
use super::thread::Thread;
use super::{Inner, KldError, KldId};
use crate::image::{Image, Metadata};
use crate::kpi;
use crate::kpi::layout::*;
use crate::sync::{Arc, Mutex, SleepMutex};
use crate::syscall::errno::Errno;

/// The loaded files of a kernel, and those that were.
#[derive(Default)]
pub struct Klds {
    /// `kld_sx`: one load or unload at a time.
    busy: SleepMutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    files: Vec<Arc<File>>,
    /// Unloaded ones. Their addresses are never used again.
    retired: Vec<Arc<File>>,
    last_id: KldId,
}

/// A loaded file, `struct linker_file`.
struct File {
    id: KldId,
    name: String,
    image: Image,
    /// The modules in it whose MOD_LOAD has succeeded, last first.
    modules: Mutex<Vec<Module>>,
}

/// A module, `struct module`.
#[derive(Clone)]
struct Module {
    name: String,
    /// `struct moduledata`.
    data: usize,
}

impl File {
    /// Calls the functions of a linker set of `struct sysinit`, in order.
    fn run_sysinits(&self, td: &Thread, set: &str, reverse: bool) -> Result<(), Stop> {
        // SAFETY: the entries of these sets are sysinits, in the image.
        let entries = self
            .image
            .linker_set(set)
            .iter()
            .map(|&entry| unsafe { &*(entry as *const Sysinit) });
        let mut entries: Vec<&Sysinit> = entries.collect();
        entries.sort_by_key(|entry| (entry.subsystem, entry.order));
        if reverse {
            entries.reverse();
        }
        for entry in entries {
            let locks = td.own().held.borrow().len();
            // SAFETY: a sysinit's function takes the data of the sysinit.
            unsafe { module_call::call(td, entry.func, [entry.udata.addr(), 0, 0, 0, 0, 0])? };
            td.check_no_locks(set, locks)?;
        }
        Ok(())
    }

    /// Sends an event to a module; what its handler returns.
    fn module_event(&self, td: &Thread, module: &Module, event: c_int) -> Result<Errno, Stop> {
        // SAFETY: moduledata, in the image.
        let data = unsafe { &*(module.data as *const Moduledata) };
        if data.evhand == 0 {
            // modevent_nop
            return Ok(if event == MOD_QUIESCE {
                Errno::EOPNOTSUPP
            } else {
                Errno(0)
            });
        }
        let locks = td.own().held.borrow().len();
        // SAFETY: an event handler takes the module, the event and the data. The module is opaque
        // to it.
        let result = unsafe {
            module_call::call(
                td,
                data.evhand,
                [module.data, event as usize, data.data.addr(), 0, 0, 0],
            )?
        };
        td.check_no_locks("module event handler", locks)?;
        Ok(Errno(result as c_int))
    }
}

impl Inner {
    /// kldload(2).
    pub fn kldload(&self, td: &Thread, name: &str, bytes: &[u8]) -> Result<KldId, KldError> {
        let refused = |error: Errno| KldError::Refused {
            name: name.to_string(),
            error,
            detail: None,
            mod_load: None,
        };
        let _busy = self.klds.busy.lock();
        if self
            .klds
            .state
            .lock()
            .files
            .iter()
            .any(|file| file.name == name)
        {
            return Err(refused(Errno::EEXIST));
        }
        let image = Image::load(bytes, &|symbol| kpi::resolve(self, symbol)).map_err(|error| {
            KldError::Image {
                name: name.to_string(),
                error,
            }
        })?;
        if let Some(line) = self.check_metadata(name, &image.metadata()) {
            self.console.print(&format!("{line}\n"));
            let error = if line.starts_with("module_register") {
                Errno::EEXIST
            } else {
                Errno::ENOEXEC
            };
            return Err(KldError::Refused {
                name: name.to_string(),
                error,
                detail: Some(line),
                mod_load: None,
            });
        }
        let file = {
            let mut state = self.klds.state.lock();
            state.last_id += 1;
            let (id, name) = (state.last_id, name.to_string());
            let file = Arc::new(File {
                id,
                name,
                image,
                modules: Mutex::default(),
            });
            state.files.push(file.clone());
            file
        };
        td.own().mod_load.set(None);
        let loaded = file.run_sysinits(td, "sysinit_set", false);
        loaded.map_err(|Stop| refused(Errno::PANICKED))?;
        let declares_modules = file
            .image
            .metadata()
            .iter()
            .any(|m| matches!(m, Metadata::Module { .. }));
        if declares_modules && file.modules.lock().is_empty() {
            let unloaded = self.unload(td, &file, true);
            let error = match unloaded {
                Err(Errno::PANICKED) => Errno::PANICKED,
                _ => Errno::ENOEXEC,
            };
            let (detail, mod_load) = td.own().mod_load.take().unzip();
            return Err(KldError::Refused {
                name: name.to_string(),
                error,
                detail,
                mod_load,
            });
        }
        Ok(file.id)
    }

    /// What FreeBSD prints about a file that is not for this kernel, or whose module is there
    /// already.
    fn check_metadata(&self, file: &str, metadata: &[Metadata]) -> Option<String> {
        metadata.iter().find_map(|record| match record {
            Metadata::Depend { on, min, max, .. }
                if on == "kernel" && (*min..=*max).contains(&self.release.osreldate()) =>
            {
                None
            }
            Metadata::Depend { on, .. } => {
                let line = format!("KLD {file}: depends on {on} - not available or version mismatch");
                (on == "kernel" || !self.has_module(on)).then_some(line)
            }
            Metadata::Module { name } => self.has_module(name).then(|| {
                format!("module_register: cannot register {name} from {file}; already loaded from another file")
            }),
            _ => None,
        })
    }

    fn has_module(&self, name: &str) -> bool {
        let files = self.klds.state.lock().files.clone();
        files
            .iter()
            .any(|file| file.modules.lock().iter().any(|module| module.name == name))
    }

    /// `module_register_init`, which DECLARE_MODULE makes a sysinit: MOD_LOAD, and MOD_UNLOAD if
    /// that fails.
    pub fn module_register_init(&self, td: &Thread, data: &Moduledata) -> Result<(), Stop> {
        let name = c_string(data.name).unwrap_or_default();
        let module = Module {
            name: name.clone(),
            data: std::ptr::from_ref(data).addr(),
        };
        let files = self.klds.state.lock().files.clone();
        let Some(file) = files.iter().find(|file| file.image.contains(module.data)) else {
            return Err(td.misuse(
                "module_register_init",
                format!("module named {name} not found"),
                Some(name),
            ));
        };
        let error = file.module_event(td, &module, MOD_LOAD)?;
        if error == Errno(0) {
            file.modules.lock().insert(0, module);
            return Ok(());
        }
        file.module_event(td, &module, MOD_UNLOAD)?;
        let line = format!(
            "module_register_init: MOD_LOAD ({name}, {:#x}, {:#x}) error {}",
            data.evhand,
            data.data.addr(),
            error.0
        );
        self.console.print(&format!("{line}\n"));
        td.own().mod_load.set(Some((line, error)));
        Ok(())
    }

    /// kldunload(2).
    pub fn kldunload(&self, td: &Thread, id: KldId) -> Result<(), Errno> {
        let _busy = self.klds.busy.lock();
        let file = self
            .klds
            .state
            .lock()
            .files
            .iter()
            .find(|file| file.id == id)
            .cloned();
        self.unload(td, &file.ok_or(Errno::ENOENT)?, false)
    }

    /// `linker_file_unload`.
    fn unload(&self, td: &Thread, file: &Arc<File>, force: bool) -> Result<(), Errno> {
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
        self.check_memory(td, "kldunload")?;
        file.run_sysinits(td, "sysuninit_set", true)?;
        self.check_nothing_left(td, file)?;
        let mut state = self.klds.state.lock();
        state.files.retain(|other| other.id != file.id);
        state.retired.push(file.clone());
        self.witness.memory_gone(|addr| file.image.contains(addr));
        self.end_quarantine(|addr| file.image.contains(addr));
        file.image.retire();
        Ok(())
    }

    /// Nothing may still point into a module that goes.
    fn check_nothing_left(&self, td: &Thread, file: &File) -> Result<(), Stop> {
        let ours = |addr: usize| file.image.contains(addr);
        let complain = |message: String, object: Option<String>| {
            Err(td.misuse_at(
                0,
                "kldunload",
                message,
                object.or_else(|| Some(file.name.clone())),
            ))
        };
        if let Some(device) = self.device_left(ours) {
            return complain(
                "a device of the module is left: destroy_dev(9)".to_string(),
                Some(device),
            );
        }
        let place = |other: &Arc<Thread>| Some((other.clone(), other.places.find(ours)?));
        if let Some((other, place)) = self.threads.all().iter().find_map(place) {
            let (tid, pid, place) = (other.tid, other.pid(), self.place(place));
            return complain(
                format!("thread {tid} of process {pid} is still in {place}"),
                None,
            );
        }
        if let Some((_, other)) = self.sleepq.sleepers(ours).first() {
            let message = format!(
                "thread {} of process {} sleeps in the module's memory",
                other.tid,
                other.pid()
            );
            return complain(message, None);
        }
        if self.knlist_in_use(ours) || self.kqueues.any_note(ours) {
            return complain(
                "knotes still point into the module: knlist_delete(9)".to_string(),
                None,
            );
        }
        if self.selinfo_in_use(ours) {
            return complain(
                "a selinfo of the module still has waiters: seldrain(9)".to_string(),
                None,
            );
        }
        Ok(())
    }

    /// An address in a module as people read it: `echodev.ko: echo_read+0x4f`.
    pub fn symbolize(&self, addr: usize) -> Option<String> {
        let state = self.klds.state.lock();
        state.files.iter().chain(&state.retired).find_map(|file| {
            let (symbol, offset) = file.image.symbolize(addr)?;
            Some(format!("{}: {symbol}+{offset:#x}", file.name))
        })
    }

    /// As [`Inner::symbolize`], in a sentence.
    pub fn place(&self, addr: usize) -> String {
        self.symbolize(addr)
            .unwrap_or_else(|| "an unknown place".to_string())
    }

    /// Whether this address is in a loaded module.
    pub fn is_in_module(&self, addr: usize) -> bool {
        self.klds
            .state
            .lock()
            .files
            .iter()
            .any(|file| file.image.contains(addr))
    }

    /// The name of the unloaded module that this address was in.
    pub fn unloaded(&self, addr: usize) -> Option<String> {
        let state = self.klds.state.lock();
        state
            .retired
            .iter()
            .find(|file| file.image.contains(addr))
            .map(|file| file.name.clone())
    }
}
