//! module(9).

use std::ffi::c_int;

use super::{arg, kpi};
use crate::abi::errno::Errno;
use crate::abi::layout::Moduledata;

kpi! {
    fn module_register_init(td, data: *const Moduledata) -> () {
        td.kernel().module_register_init(td, arg(td, "module_register_init", data)?)
    }

    fn nullop(td) -> c_int {
        let _ = td;
        Ok(0)
    }

    fn eopnotsupp(td) -> c_int {
        let _ = td;
        Ok(Errno::EOPNOTSUPP.0)
    }
}
