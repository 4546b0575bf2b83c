//! Modules on a hosted kernel, through the public interface.

mod common;
mod drivers;
mod hung;
mod kpi;
mod kqueues;
mod leaving;
mod misuse;
mod plain;
mod stress;
mod syscalls;
