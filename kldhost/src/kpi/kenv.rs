//! getenv(9), and the functions of TUNABLE_*().

use std::ffi::{c_char, c_int, c_void};

use super::{arg, arg_mut, kpi};
use crate::kern::lock::c_string;
use crate::kern::report::Stop;
use crate::kern::thread::Thread;

/// `struct tunable_int` and its kind.
#[repr(C)]
struct Tunable {
    path: *const c_char,
    variable: *mut c_void,
    /// Of a string.
    size: c_int,
}

/// Stores a tunable's number in `variable`, if it is set: 1 or 0. `T` is the type of the variable,
/// to which the number is cut.
fn number<T: Cut>(
    td: &Thread,
    call: &str,
    name: *const c_char,
    variable: *mut c_void,
) -> Result<c_int, Stop> {
    let name = c_string(name).unwrap_or_default();
    let Some(value) = td.kernel().getenv_quad(&name) else {
        return Ok(0);
    };
    *arg_mut(td, call, variable.cast::<T>())? = T::cut(value);
    Ok(1)
}

trait Cut {
    fn cut(value: i64) -> Self;
}

impl Cut for i32 {
    fn cut(value: i64) -> i32 {
        value as i32
    }
}

impl Cut for i64 {
    fn cut(value: i64) -> i64 {
        value
    }
}

/// Stores a tunable's text, cut to `size` bytes with the terminator, if it is set: 1 or 0.
fn text(
    td: &Thread,
    call: &str,
    name: *const c_char,
    to: *mut c_char,
    size: c_int,
) -> Result<c_int, Stop> {
    let name = c_string(name).unwrap_or_default();
    let Some(value) = td.kernel().getenv(&name) else {
        return Ok(0);
    };
    let Some(room) = usize::try_from(size)
        .ok()
        .and_then(|size| size.checked_sub(1))
    else {
        return Ok(1);
    };
    let to: *mut u8 = arg_mut(td, call, to.cast::<u8>())?;
    let n = value.len().min(room);
    // SAFETY: the module guarantees `size` bytes there.
    unsafe {
        to.copy_from(value.as_ptr(), n);
        to.add(n).write(0);
    }
    Ok(1)
}

/// A boolean tunable, `getenv_bool`: 1 or 0.
fn boolean(td: &Thread, call: &str, name: *const c_char, variable: *mut u8) -> Result<c_int, Stop> {
    let name = c_string(name).unwrap_or_default();
    let value = match td.kernel().getenv(&name) {
        Some("1") => 1,
        Some("0") => 0,
        Some(word) if word.eq_ignore_ascii_case("true") => 1,
        Some(word) if word.eq_ignore_ascii_case("false") => 0,
        _ => return Ok(0),
    };
    *arg_mut(td, call, variable)? = value;
    Ok(1)
}

fn tunable<T: Cut>(td: &Thread, call: &str, tunable: *const Tunable) -> Result<(), Stop> {
    let tunable = arg(td, call, tunable)?;
    number::<T>(td, call, tunable.path, tunable.variable).map(drop)
}

kpi! {
    fn getenv_int(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i32>(td, "getenv_int", name, data)
    }
    fn getenv_uint(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i32>(td, "getenv_uint", name, data)
    }
    fn getenv_long(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i64>(td, "getenv_long", name, data)
    }
    fn getenv_ulong(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i64>(td, "getenv_ulong", name, data)
    }
    fn getenv_int64(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i64>(td, "getenv_int64", name, data)
    }
    fn getenv_uint64(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i64>(td, "getenv_uint64", name, data)
    }
    fn getenv_quad(td, name: *const c_char, data: *mut c_void) -> c_int {
        number::<i64>(td, "getenv_quad", name, data)
    }
    fn getenv_bool(td, name: *const c_char, data: *mut u8) -> c_int {
        boolean(td, "getenv_bool", name, data)
    }
    fn getenv_string(td, name: *const c_char, data: *mut c_char, size: c_int) -> c_int {
        text(td, "getenv_string", name, data, size)
    }
    fn tunable_int_init(td, data: *const Tunable) -> () {
        tunable::<i32>(td, "tunable_int_init", data)
    }
    fn tunable_long_init(td, data: *const Tunable) -> () {
        tunable::<i64>(td, "tunable_long_init", data)
    }
    fn tunable_ulong_init(td, data: *const Tunable) -> () {
        tunable::<i64>(td, "tunable_ulong_init", data)
    }
    fn tunable_int64_init(td, data: *const Tunable) -> () {
        tunable::<i64>(td, "tunable_int64_init", data)
    }
    fn tunable_uint64_init(td, data: *const Tunable) -> () {
        tunable::<i64>(td, "tunable_uint64_init", data)
    }
    fn tunable_quad_init(td, data: *const Tunable) -> () {
        tunable::<i64>(td, "tunable_quad_init", data)
    }
    fn tunable_bool_init(td, data: *const Tunable) -> () {
        let data = arg(td, "tunable_bool_init", data)?;
        boolean(td, "tunable_bool_init", data.path, data.variable.cast()).map(drop)
    }
    fn tunable_str_init(td, data: *const Tunable) -> () {
        let data = arg(td, "tunable_str_init", data)?;
        text(td, "tunable_str_init", data.path, data.variable.cast(), data.size).map(drop)
    }
}
