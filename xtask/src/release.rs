//! What FreeBSD systems get: the utility, and the module loaded or installed.

pub mod echoctl;
pub mod kld;
