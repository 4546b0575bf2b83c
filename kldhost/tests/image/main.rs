//! Module files: loading, inspecting, and faults of their code.

mod copies;
mod elf;
mod faults;
mod inspecting;
mod loading;
mod refusals;
mod untrusted;
