//! The module file: the tools that build it, the build, and the checks of the result.

pub mod abi;
pub mod bindings;
pub mod build_core;
pub mod check;
pub mod kmod;
pub mod toolchain;
