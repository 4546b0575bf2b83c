//! The two drivers, hosted in this process.

use crate::cases::{DRIVERS, Subject};
use anyhow::{Context, Result, ensure};
use kldhost::{Config, Errno, Kernel, KpiHook, O_RDWR, Process};
use std::path::PathBuf;

/// `ECHODEV_SBUFSIZE`, `_IOW('E', 101, size_t)`.
const SBUFSIZE: u64 = 0x8008_4565;
/// `ECHODEV_CLEAR`, `_IO('E', 102)`.
const CLEAR: u64 = 0x2000_4566;

/// A hosted kernel with both drivers loaded, so that both run under the same conditions.
pub struct Host {
    /// The kernel.
    pub kernel: Kernel,
}

impl Host {
    /// Boots it. `hook` is called at each KPI call. It must be `None` if time is measured.
    ///
    /// # Errors
    ///
    /// A module file is missing, or does not load.
    pub fn boot(hook: Option<KpiHook>) -> Result<Self> {
        let kernel = Kernel::new(Config {
            hook,
            ..Config::default()
        });
        for driver in DRIVERS {
            kernel
                .kldload(&module(driver)?)
                .with_context(|| format!("cannot load {}", driver.name()))?;
        }
        Ok(Self { kernel })
    }

    /// The device of `driver`, opened for reading and writing by its own process. Its buffer is
    /// empty and has `size` bytes.
    ///
    /// # Errors
    ///
    /// A system call fails.
    pub fn open(&self, driver: Subject, size: usize) -> Result<Device, Errno> {
        let process = self.kernel.process();
        let path = path(driver);
        let fd = process.open(path, O_RDWR)?;
        let device = Device { process, fd, path };
        device.clear()?;
        device.resize(size)?;
        Ok(device)
    }
}

/// The path of a driver's device.
fn path(driver: Subject) -> &'static str {
    if driver == Subject::Echodev {
        "/dev/echo"
    } else {
        "/dev/baseline"
    }
}

/// The file of a driver's module.
///
/// # Errors
///
/// It is not there.
pub fn module(driver: Subject) -> Result<PathBuf> {
    let dir = if driver == Subject::Echodev {
        "kmod"
    } else {
        "testmods"
    };
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let file = root
        .join("target")
        .join(dir)
        .join("15")
        .join(driver.name())
        .with_extension("ko");
    ensure!(
        file.is_file(),
        "{} is missing: `make bench` builds it",
        file.display()
    );
    Ok(file)
}

/// An open device.
#[derive(Clone)]
pub struct Device {
    /// The process of the descriptor.
    pub process: Process,
    /// The descriptor.
    pub fd: i32,
    /// The device's path.
    pub path: &'static str,
}

impl Device {
    /// write(2) of all `bytes`.
    ///
    /// # Errors
    ///
    /// What the call gives.
    ///
    /// # Panics
    ///
    /// If fewer are written. A blocking write(2) without signals writes all.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        let n = self.process.write(self.fd, bytes)?;
        assert_eq!(n, bytes.len(), "{} wrote less than it was given", self.path);
        Ok(())
    }

    /// read(2).
    ///
    /// # Errors
    ///
    /// What the call gives.
    pub fn read(&self, buf: &mut [u8]) -> Result<usize, Errno> {
        self.process.read(self.fd, buf)
    }

    /// Sets the size of the buffer.
    ///
    /// # Errors
    ///
    /// What ioctl(2) gives.
    pub fn resize(&self, size: usize) -> Result<(), Errno> {
        self.process
            .ioctl(self.fd, SBUFSIZE, &mut size.to_ne_bytes())
    }

    /// Discards the bytes held.
    ///
    /// # Errors
    ///
    /// What ioctl(2) gives.
    pub fn clear(&self) -> Result<(), Errno> {
        self.process.ioctl(self.fd, CLEAR, 0i64)
    }
}
