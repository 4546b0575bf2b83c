//! `core`, built for the kernel with its code model and without red zone and SSE.

use crate::command;
use crate::fetch::once;
use crate::module::toolchain::Rust;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};

/// The target that kernel code is compiled for, freestanding and without SSE.
pub const TARGET: &str = "x86_64-unknown-none";

/// The flags of every crate that goes into the module.
///
/// Without `relro-level=off`, LLVM calls its library functions through the GOT, which the kernel's
/// loader does not support. All crates need the same flags. Otherwise link-time optimization stops
/// with a code model conflict.
pub const RUSTFLAGS: [&str; 6] = [
    "-Crelocation-model=static",
    "-Ccode-model=kernel",
    "-Cno-redzone=yes",
    "-Cforce-frame-pointers=yes",
    "-Cpanic=abort",
    "-Crelro-level=off",
];

/// A sysroot with `core` and `compiler_builtins` for [`TARGET`], made by `rust`. It is built if it
/// is not there.
pub fn sysroot(tools: &Path, rust: &Rust) -> Result<PathBuf> {
    let name = format!("core-{}", rust.version);
    once(
        &tools.join(&name),
        &format!(
            "core of Rust {} for the kernel, from its source",
            rust.version
        ),
        |dir| {
            let lib = dir.join("lib/rustlib").join(TARGET).join("lib");
            fs::create_dir_all(&lib)?;
            let core = lib.join("libcore.rlib");
            let builtins = rust
                .library
                .join("compiler-builtins/compiler-builtins/src/lib.rs");
            command::run(
                compile(rust, &lib, "core", &rust.library.join("core/src/lib.rs"))
                    .arg("-o")
                    .arg(&core),
            )?;
            command::run(
                compile(rust, &lib, "compiler_builtins", &builtins)
                    .args(["--cfg", "feature=\"compiler-builtins\"", "--extern"])
                    .arg(format!("core={}", core.display()))
                    .arg("-o")
                    .arg(lib.join("libcompiler_builtins.rlib")),
            )
        },
    )
}

/// A call of `rust` that compiles one crate of the library, for [`TARGET`], against those in `lib`.
pub fn compile(rust: &Rust, lib: &Path, name: &str, source: &Path) -> std::process::Command {
    let mut command = rust.command();
    command
        // The library's source uses unstable features of its own compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .args([
            "--crate-type=rlib",
            "--edition=2024",
            "--cap-lints=allow",
            "-Zforce-unstable-if-unmarked",
            "-Copt-level=3",
        ])
        .args(["--target", TARGET, "--crate-name", name])
        .args(RUSTFLAGS)
        .arg("-L")
        .arg(lib)
        .arg(source);
    command
}
