//! malloc(9).

use std::ffi::c_int;

use super::{arg, kpi};
use crate::abi::layout::MallocType;
use crate::dev::Dev;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

/// `free`. A null pointer is fine. The kernel must not refer to anything in the memory.
fn release(td: &Thread, call: &str, addr: usize, ty: &MallocType) -> Result<(), Stop> {
    if addr == 0 {
        return Ok(());
    }
    let (kern, dev) = (td.kernel(), Dev::of(td.kernel()));
    let block = kern.check_block(td, call, addr, ty)?;
    let within = |a: usize| (addr..addr + block.size).contains(&a);
    let message = if dev.waiters.any(within) {
        "a selinfo in this memory still has waiters: seldrain(9)"
    } else if dev.knlists.any(within) {
        "a knlist in this memory still has knotes"
    } else if dev.tables.any(within) {
        "knotes still refer to a filter's table in this memory"
    } else {
        return kern.free(td, call, addr, block);
    };
    Err(td.misuse(call, message, kern.type_of(&block)))
}

/// `realloc`: copies the contents, up to the smaller size.
fn resize(
    td: &Thread,
    call: &str,
    addr: usize,
    size: usize,
    ty: &MallocType,
    flags: c_int,
) -> Result<usize, Stop> {
    let kern = td.kernel();
    if addr == 0 {
        return kern.malloc(td, call, size, ty, flags);
    }
    let block = kern.check_block(td, call, addr, ty)?;
    let new = kern.malloc(td, call, size, ty, flags)?;
    if new != 0 {
        // SAFETY: both blocks are in use, and at least that long.
        unsafe { (new as *mut u8).copy_from(addr as *const u8, size.min(block.size)) };
        release(td, call, addr, ty)?;
    }
    Ok(new)
}

kpi! {
    fn malloc(td, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        td.kernel().malloc(td, "malloc", size, arg(td, "malloc", malloc_type)?, flags)
    }

    fn mallocarray(td, n: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        let bytes = n.checked_mul(size).ok_or_else(|| td.misuse("mallocarray", format!("{n} * {size} overflows"), None))?;
        td.kernel().malloc(td, "mallocarray", bytes, arg(td, "mallocarray", malloc_type)?, flags)
    }

    fn realloc(td, addr: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        resize(td, "realloc", addr, size, arg(td, "realloc", malloc_type)?, flags)
    }

    fn reallocf(td, addr: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        let malloc_type = arg(td, "reallocf", malloc_type)?;
        let new = resize(td, "reallocf", addr, size, malloc_type, flags)?;
        if new == 0 {
            release(td, "reallocf", addr, malloc_type)?;
        }
        Ok(new)
    }

    fn free(td, addr: usize, malloc_type: *const MallocType) -> () {
        release(td, "free", addr, arg(td, "free", malloc_type)?)
    }

    fn zfree(td, addr: usize, malloc_type: *const MallocType) -> () {
        release(td, "zfree", addr, arg(td, "zfree", malloc_type)?)
    }

    fn malloc_init(td, malloc_type: *const MallocType) -> () {
        td.kernel().malloc_init(arg(td, "malloc_init", malloc_type)?);
        Ok(())
    }

    fn malloc_uninit(td, malloc_type: *const MallocType) -> () {
        td.kernel().malloc_uninit(arg(td, "malloc_uninit", malloc_type)?);
        Ok(())
    }
}
