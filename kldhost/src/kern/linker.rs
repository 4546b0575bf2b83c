//! The loaded files and their modules, kld(4): calls of their functions, and the addresses in them.

use std::ffi::c_int;

use super::Kern;
use super::lock::c_string;
use super::module_call;
use super::report::Stop;
use super::thread::Thread;
use crate::abi::errno::Errno;
use crate::abi::layout::*;
use crate::abi::syscall::KldId;
use crate::image::Image;
use crate::machine::sync::{Arc, Mutex, SleepMutex};

/// The loaded files of a kernel, and those that were.
#[derive(Default)]
pub struct Files {
    /// `kld_sx`: one load or unload at a time.
    pub busy: SleepMutex<()>,
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
pub struct File {
    /// Its number.
    pub id: KldId,
    /// Its name, without the directory.
    pub name: String,
    /// The file in memory.
    pub image: Image,
    /// The modules in the file whose MOD_LOAD has succeeded, last first.
    pub modules: Mutex<Vec<Module>>,
}

/// A module, `struct module`.
#[derive(Clone)]
pub struct Module {
    name: String,
    /// `struct moduledata`.
    pub data: usize,
}

impl Files {
    /// The loaded files.
    pub fn all(&self) -> Vec<Arc<File>> {
        self.state.lock().files.clone()
    }

    /// Adds a file, with the next number.
    pub fn add(&self, name: &str, image: Image) -> Arc<File> {
        let mut state = self.state.lock();
        state.last_id += 1;
        let file = Arc::new(File {
            id: state.last_id,
            name: name.to_string(),
            image,
            modules: Mutex::default(),
        });
        state.files.push(file.clone());
        file
    }

    /// Moves a file to those that were unloaded.
    pub fn retire(&self, file: &Arc<File>) {
        let mut state = self.state.lock();
        state.files.retain(|other| other.id != file.id);
        state.retired.push(file.clone());
    }
}

impl File {
    /// Calls the functions of a linker set of `struct sysinit`, in order.
    pub fn run_sysinits(&self, td: &Thread, set: &str, reverse: bool) -> Result<(), Stop> {
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

    /// Sends an event to a module, and returns the result of its handler.
    pub fn module_event(&self, td: &Thread, module: &Module, event: c_int) -> Result<Errno, Stop> {
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

impl Kern {
    /// Whether a module of this name is loaded.
    pub fn has_module(&self, name: &str) -> bool {
        let files = self.files.all();
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
        let files = self.files.all();
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

    /// An address in a module in readable form: `echodev.ko: echo_read+0x4f`.
    pub fn symbolize(&self, addr: usize) -> Option<String> {
        let state = self.files.state.lock();
        state.files.iter().chain(&state.retired).find_map(|file| {
            let (symbol, offset) = file.image.symbolize(addr)?;
            Some(format!("{}: {symbol}+{offset:#x}", file.name))
        })
    }

    /// As [`Kern::symbolize`], in a sentence.
    pub fn place(&self, addr: usize) -> String {
        self.symbolize(addr)
            .unwrap_or_else(|| "an unknown place".to_string())
    }

    /// Whether this address is in a loaded module.
    pub fn is_in_module(&self, addr: usize) -> bool {
        let state = self.files.state.lock();
        state.files.iter().any(|file| file.image.contains(addr))
    }

    /// The name of the unloaded module that this address was in.
    pub fn unloaded(&self, addr: usize) -> Option<String> {
        let state = self.files.state.lock();
        state
            .retired
            .iter()
            .find(|file| file.image.contains(addr))
            .map(|file| file.name.clone())
    }
}
