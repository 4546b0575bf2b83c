//! sysctl(3).

use super::raw::{Result, syscall};
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};
use suite::errno::ENOMEM;

const SYS_SYSCTL: usize = 202;

const CTL_SYSCTL: i32 = 0;
const SYSCTL_NAME2OID: i32 = 3;

/// Whether the kernel has a variable of this name.
pub fn exists(name: &str) -> bool {
    by_name(name).is_ok()
}

/// Sets a variable that is a string.
pub fn set_string(name: &str, value: &str) -> Result<()> {
    sysctl(&by_name(name)?, &mut [], value.as_bytes()).map(drop)
}

/// Sets a variable that is an int.
pub fn set_int(name: &str, value: i32) -> Result<()> {
    sysctl(&by_name(name)?, &mut [], &value.to_ne_bytes()).map(drop)
}

/// The value of a variable that is a 64-bit number.
pub fn number(name: &str) -> Result<u64> {
    let mut value = [0; 8];
    sysctl(&by_name(name)?, &mut value, &[])?;
    Ok(u64::from_ne_bytes(value))
}

/// A variable's number in the tree.
pub fn by_name(name: &str) -> Result<Vec<i32>> {
    let mut numbers = [0u8; 24 * size_of::<i32>()];
    let len = sysctl(
        &[CTL_SYSCTL, SYSCTL_NAME2OID],
        &mut numbers,
        name.as_bytes(),
    )?;
    Ok(numbers[..len]
        .chunks_exact(4)
        .map(|number| i32::from_ne_bytes(number.try_into().unwrap_or_default()))
        .collect())
}

/// The value of a variable of unknown length. `guess` keeps a sufficient length between calls,
/// because a query of the length costs as much as the value.
pub fn read_all(variable: &[i32], guess: &AtomicUsize) -> Result<Vec<u8>> {
    loop {
        let mut value = vec![0; guess.load(Ordering::Relaxed)];
        match sysctl(variable, &mut value, &[]) {
            Ok(len) if !value.is_empty() => {
                value.truncate(len);
                return Ok(value);
            }
            // It may grow before the next query. An empty value also needs some room.
            Ok(_) | Err(ENOMEM) => guess.store(
                sysctl(variable, &mut [], &[])? * 5 / 4 + 1,
                Ordering::Relaxed,
            ),
            Err(error) => return Err(error),
        }
    }
}

/// sysctl(3). Reads a variable, or its length if `old` is empty, and then sets it if `new` is not
/// empty. Returns the length of the value read.
pub fn sysctl(variable: &[i32], old: &mut [u8], new: &[u8]) -> Result<usize> {
    let mut len = old.len();
    let old = if old.is_empty() {
        0
    } else {
        old.as_mut_ptr() as usize
    };
    let new_address = if new.is_empty() {
        0
    } else {
        new.as_ptr() as usize
    };
    let name = variable.as_ptr() as usize;
    // SAFETY: writes at most `len` bytes to `old`, which has them, or none; and to `len` itself.
    unsafe {
        syscall(
            SYS_SYSCTL,
            [
                name,
                variable.len(),
                old,
                &raw mut len as usize,
                new_address,
                new.len(),
            ],
        )
    }?;
    Ok(len)
}
