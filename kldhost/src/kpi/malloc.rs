//! malloc(9).

use std::ffi::c_int;

use super::layout::MallocType;
use super::{arg, kpi};

kpi! {
    fn malloc(td, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        td.kernel().malloc(td, "malloc", size, arg(td, "malloc", malloc_type)?, flags)
    }

    fn mallocarray(td, n: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        let bytes = n.checked_mul(size).ok_or_else(|| td.misuse("mallocarray", format!("{n} * {size} overflows"), None))?;
        td.kernel().malloc(td, "mallocarray", bytes, arg(td, "mallocarray", malloc_type)?, flags)
    }

    fn realloc(td, addr: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        td.kernel().realloc(td, "realloc", addr, size, arg(td, "realloc", malloc_type)?, flags)
    }

    fn reallocf(td, addr: usize, size: usize, malloc_type: *const MallocType, flags: c_int) -> usize {
        let malloc_type = arg(td, "reallocf", malloc_type)?;
        let new = td.kernel().realloc(td, "reallocf", addr, size, malloc_type, flags)?;
        if new == 0 {
            td.kernel().free(td, "reallocf", addr, malloc_type)?;
        }
        Ok(new)
    }

    fn free(td, addr: usize, malloc_type: *const MallocType) -> () {
        td.kernel().free(td, "free", addr, arg(td, "free", malloc_type)?)
    }

    fn zfree(td, addr: usize, malloc_type: *const MallocType) -> () {
        td.kernel().free(td, "zfree", addr, arg(td, "zfree", malloc_type)?)
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
