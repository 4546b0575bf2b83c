//! The utility, and loading and installing on FreeBSD.

pub mod echoctl;
pub mod kld;
