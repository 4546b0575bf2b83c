//! Module files: loading them, inspecting them, and what happens when their code goes wrong.

mod elf;
mod faults;
mod inspecting;
mod loading;
mod untrusted;
