//! The speed of the driver in kldhost, compared with a plain C driver of the same semantics and
//! with memcpy.

pub mod cases;
pub mod counts;
pub mod host;
pub mod readers;
pub mod report;
