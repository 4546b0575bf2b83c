//! The hosted module. Its device is mounted or, if that is not possible, only in this process.

use crate::inside::Inside;
use crate::interrupt;
use crate::programs::Programs;
use crate::stage::{Stage, print};
use kldhost::fuse::{Mount, MountError};
use kldhost::{Config, Kernel, KldId};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::{env, fs};

/// The hosted module.
#[derive(Clone)]
pub struct Place {
    kernel: Kernel,
    module: KldId,
    dir: PathBuf,
    /// `None` if nothing can be mounted, and after the unmount.
    mount: Arc<Mutex<Option<Mount>>>,
}

impl Place {
    /// Hosts the module in file `module` and, unless `inside` is set, mounts its device on
    /// `dir`/dev. Ctrl-C undoes both, and ends the program.
    pub fn new(module: &Path, dir: &Path, inside: bool) -> Result<Place, String> {
        let signals = interrupt::block()?;
        let kernel = Kernel::new(Config::default());
        let id = kernel.kldload(module).map_err(|error| error.to_string())?;
        let mount = if inside {
            None
        } else {
            try_mount(&kernel, dir)?
        };
        let place = Place {
            kernel,
            module: id,
            dir: dir.to_owned(),
            mount: Arc::new(Mutex::new(mount)),
        };
        let interrupted = place.clone();
        interrupt::leave_first(signals, move || interrupted.leave());
        Ok(place)
    }

    fn mount(&self) -> std::sync::MutexGuard<'_, Option<Mount>> {
        self.mount
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The stage for commands.
    pub fn stage(&self) -> Result<Box<dyn Stage>, String> {
        Ok(match self.mount().is_some() {
            true => Box::new(Programs::new(&self.dir)?),
            false => Box::new(Inside(self.kernel.clone())),
        })
    }

    /// Unloads the module, and removes the mount and its directories.
    pub fn leave(&self) -> Result<(), String> {
        let unloaded = self.kernel.kldunload(self.module);
        if let Some(mount) = self.mount().take() {
            mount.wait_idle();
        }
        // The mount is gone. Other files in the directories, if any, are not ours.
        let _ = fs::remove_dir(self.dir.join("dev"));
        let _ = fs::remove_dir(&self.dir);
        match (unloaded, self.kernel.panic_report()) {
            (_, Some(report)) => Err(format!("the hosted kernel has panicked\n{report}")),
            (Err(error), None) => Err(format!("the module cannot be unloaded: {error}")),
            (Ok(()), None) => Ok(()),
        }
    }
}

/// Makes the mount point, the directory `dir`/dev.
fn mount_point(dir: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let dev = dir.join("dev");
    // It may exist, even with a stale mount on it. The mount reports that.
    let _ = fs::create_dir(&dev);
    Ok(dev)
}

/// Mounts the devices on `dir`/dev, or returns `None` if nothing can be mounted.
fn try_mount(kernel: &Kernel, dir: &Path) -> Result<Option<Mount>, String> {
    match Mount::new(kernel, &mount_point(dir)?) {
        Ok(mount) => Ok(Some(mount)),
        Err(error @ (MountError::NoFuse(_) | MountError::Mount { .. })) => {
            print(&format!(
                "Nothing can be mounted here, so all commands run in one process: {error}."
            ))?;
            Ok(None)
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Prints some commands to try, and then mounts the device on `dir`/dev with `kldhost run`, which
/// ends with Ctrl-C.
pub fn mount(module: &Path, dir: &Path) -> Result<(), String> {
    let dev = mount_point(dir)?;
    let own = env::current_exe().map_err(|error| error.to_string())?;
    let (echo, echoctl) = (dev.join("echo"), own.with_file_name("echoctl"));
    let (echo, echoctl) = (echo.display(), echoctl.display());
    print("In other terminals, as the same user, try:")?;
    print(&format!("    echo hello > {echo}; cat {echo}"))?;
    print(&format!("    {echoctl} -f {echo} poll"))?;
    print(&format!("    {echoctl} -f {echo} events -W"))?;
    print(&format!("    seq 1000 > {echo} & cat {echo}"))?;
    print(&format!("    cat > {echo}"))?;
    print(&format!("    {echoctl} -f {echo} resize 4k\n"))?;
    let error = Command::new(own.with_file_name("kldhost"))
        .arg("run")
        .arg(module)
        .arg("--mount")
        .arg(&dev)
        .exec();
    Err(format!("kldhost: {error}"))
}
