//! The module as loader(8) loads it with the kernel, by `echodev_load="YES"`.

use super::{close_dead, expect, watch};
use crate::freebsd::kernel;
use crate::host::Machine;
use alloc::format;
use core::ffi::CStr;
use suite::abi::{EVFILT_READ, O_RDONLY, O_RDWR};
use suite::call::Call;
use suite::check::{Failure, Outcome};
use suite::errno::{ENOENT, ENXIO};
use suite::host::{ECHORD, Host, MemoryStats, Trouble};
use suite::process::Process;

/// The name of the case.
pub const NAME: &str = "preload::is_there_at_boot";

/// The name of the file, for the kernel.
const FILE: &CStr = c"echodev.ko";

/// The buffer's size in the kernel environment of this boot.
const SIZE: u64 = 1000;

/// The device exists, with the tunables of the kernel environment. The module can be unloaded, and
/// loaded again from a file.
pub fn is_there_at_boot(host: &mut Machine) -> Outcome {
    let trouble = |trouble: Trouble| Failure::new(format!("{trouble}"));
    let mut process = Process::new(host.process().map_err(trouble)?);
    let mut reader = Process::new(host.process().map_err(trouble)?);
    let fd = process.open(O_RDWR)?;
    expect("the size", process.size(fd)?, SIZE)?;
    expect("write", process.write(fd, b"from the loader")?, Ok(15))?;
    let kq = process.kqueue()?;
    expect(
        "kevent",
        process.change(kq, watch(fd, EVFILT_READ, 0))?,
        Ok(()),
    )?;
    expect("events", process.events(kq, 9)?.len(), 1)?;
    expect(
        "read",
        process.read(fd, 100)?,
        Ok(b"from the loader".to_vec()),
    )?;

    let r = reader.open(O_RDONLY)?;
    reader.start(Call::read(r, 1))?;
    host.wait_asleep(reader.pid(), ECHORD).map_err(trouble)?;
    let id = kernel::kldfind(FILE).map_err(|error| Failure::new(format!("kldfind: {error}")))?;
    expect("kldunload", process.kldunload(id)?, Ok(()))?;
    expect("the read that slept", reader.finish_read()?, Err(ENXIO))?;
    close_dead(&mut reader, r)?;
    close_dead(&mut process, fd)?;
    expect(
        "open after the unload",
        process.try_open(O_RDONLY)?,
        Err(ENOENT),
    )?;
    let left = host.memory().map_err(trouble)?;
    expect(
        "memory of the module's type after its unload",
        left,
        MemoryStats::default(),
    )?;

    let loaded = process.kldload()?;
    let id = loaded.map_err(|error| Failure::new(format!("kldload: {error}")))?;
    let fd = process.open(O_RDWR)?;
    expect("the size", process.size(fd)?, SIZE)?;
    expect("write", process.write(fd, b"from a file")?, Ok(11))?;
    expect("read", process.read(fd, 100)?, Ok(b"from a file".to_vec()))?;
    process.close(fd)?;
    expect("kldunload", process.kldunload(id)?, Ok(()))?;
    process.exit()?;
    reader.exit()
}
