//! What the fuzz targets do with their input. Each takes any bytes, and panics over a find.
#![forbid(unsafe_code)]

mod file;
mod program;

pub use file::{image, inspect};
pub use program::program;
