//! Module files: loading them, inspecting them, and what happens when their code goes wrong.

mod copies;
mod elf;
mod faults;
mod inspecting;
mod loading;
mod refusals;
mod untrusted;
