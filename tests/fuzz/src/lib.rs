//! The work of the fuzz targets. Each function takes any bytes, and panics if it finds something.
#![forbid(unsafe_code)]

mod file;
mod program;

pub use file::{image, inspect};
pub use program::program;
