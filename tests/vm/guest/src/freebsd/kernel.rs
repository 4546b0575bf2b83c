//! System calls for root.

use super::raw::{Result, syscall};
use alloc::ffi::CString;
use alloc::string::String;
use core::ffi::CStr;
use suite::errno::EINVAL;

const SYS_REBOOT: usize = 55;
const SYS_KLDLOAD: usize = 304;
const SYS_KLDUNLOAD: usize = 305;
const SYS_KLDFIND: usize = 306;
const SYS_KENV: usize = 390;

const RB_NOSYNC: usize = 4;
const RB_POWEROFF: usize = 0x4000;
const KENV_GET: usize = 0;
const KENV_SET: usize = 1;
const KENV_UNSET: usize = 2;
/// The longest value, with its NUL.
const KENV_MVALLEN: usize = 128;

/// kldload(2)
pub fn kldload(path: &CStr) -> Result<i32> {
    // SAFETY: only reads the path.
    Ok(unsafe { syscall(SYS_KLDLOAD, [path.as_ptr() as usize]) }? as i32)
}

/// kldunload(2)
pub fn kldunload(id: i32) -> Result<()> {
    // SAFETY: does not touch memory.
    unsafe { syscall(SYS_KLDUNLOAD, [id as usize]) }.map(drop)
}

/// kldfind(2). Returns the id of a loaded file.
pub fn kldfind(name: &CStr) -> Result<i32> {
    // SAFETY: only reads the name.
    Ok(unsafe { syscall(SYS_KLDFIND, [name.as_ptr() as usize]) }? as i32)
}

/// kenv(2). Returns the value of a kernel environment variable, if it is set and is UTF-8.
pub fn kenv(name: &CStr) -> Option<String> {
    let mut value = [0u8; KENV_MVALLEN];
    let arguments = [
        KENV_GET,
        name.as_ptr() as usize,
        value.as_mut_ptr() as usize,
        value.len(),
    ];
    // SAFETY: reads the name and writes no more than the length of `value`.
    unsafe { syscall(SYS_KENV, arguments) }.ok()?;
    CStr::from_bytes_until_nul(&value)
        .ok()?
        .to_str()
        .ok()
        .map(Into::into)
}

/// kenv(2). Sets or unsets a variable. It is not an error to unset one that is not set.
pub fn set_kenv(name: &str, value: Option<&str>) -> Result<()> {
    let name = CString::new(name).map_err(|_| EINVAL)?;
    let Some(value) = value else {
        // SAFETY: only reads the name.
        let _ = unsafe { syscall(SYS_KENV, [KENV_UNSET, name.as_ptr() as usize, 0, 0]) };
        return Ok(());
    };
    let value = CString::new(value).map_err(|_| EINVAL)?;
    let len = value.count_bytes() + 1;
    // SAFETY: only reads the name and the value.
    unsafe {
        syscall(
            SYS_KENV,
            [
                KENV_SET,
                name.as_ptr() as usize,
                value.as_ptr() as usize,
                len,
            ],
        )
    }
    .map(drop)
}

/// reboot(2). Powers the machine off. Nothing has to be written to a disk.
pub fn power_off() -> ! {
    loop {
        // SAFETY: everything ends.
        let _ = unsafe { syscall(SYS_REBOOT, [RB_POWEROFF | RB_NOSYNC]) };
    }
}
