//! The module files in the working directory. A file may be missing if there were no headers to
//! build it.

use core::ffi::CStr;

/// The directory of the virtual machine.
pub const DIRECTORY: &CStr = c"/modules";

/// The module under test. Only a name with a slash is a path for kldload(2).
pub const TESTED: &CStr = c"./echodev.ko";

/// A copy of that file.
pub const COPY: &CStr = c"./copy.ko";

/// A C driver. For the tests, it makes another `/dev/echo`. For the benchmarks, it is the driver
/// for comparison.
pub const OTHER: &CStr = c"./other.ko";

/// The C driver of the tests under another name.
pub const NEIGHBOUR: &CStr = c"./plain.ko";

/// The device of that driver.
pub const NEIGHBOUR_DEVICE: &CStr = c"/dev/plain";

/// The module of [`crate::hungmap`].
pub const HUNGMAP: &CStr = c"./hungmap.ko";
