//! How fast the driver is, hosted by kldhost, against a plain C driver with the same semantics and
//! against memcpy.

pub mod cases;
pub mod counts;
pub mod host;
pub mod readers;
pub mod report;
