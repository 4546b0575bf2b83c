//! The builds of the programs that run in the machine, the loader and the guest program.

use crate::command;
use crate::fetch::once;
use crate::module::build_core::{self, RUSTFLAGS, TARGET};
use crate::module::toolchain::{Rust, linker};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files that were built.
pub struct Built {
    /// The boot loader for QEMU.
    pub loader: PathBuf,
    /// Process 1.
    pub init: PathBuf,
}

/// Builds both.
pub fn build(root: &Path) -> Result<Built> {
    let loader = root.join("target/vm/loader");
    let script = root.join("tests/vm/loader/link.ld");
    command::run(
        link(root, &archive(root, "vm-loader")?, &loader)?
            .args(["-m", "elf_x86_64", "--oformat", "binary", "-T"])
            .arg(script),
    )?;
    Ok(Built {
        loader,
        init: guest(root)?,
    })
}

/// Builds the guest program, which can also run as an ordinary program.
pub fn guest(root: &Path) -> Result<PathBuf> {
    let init = root.join("target/vm/init");
    command::run(
        // This emulation marks the file as FreeBSD's, as the kernel requires.
        link(root, &archive(root, "vm-guest")?, &init)?
            .args([
                "-m",
                "elf_x86_64_fbsd",
                "-static",
                "-z",
                "noexecstack",
                "--strip-debug",
            ])
            .args(["-e", "_start", "-u", "_start"]),
    )?;
    Ok(init)
}

/// Compiles a package of `tests/vm` and its dependencies to one archive.
fn archive(root: &Path, package: &str) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let rust = Rust::get(&tools)?;
    let sysroot = sysroot(&tools, &rust)?;
    let target_dir = root.join("target/vm/build");
    let mut rustflags: Vec<String> = RUSTFLAGS.map(String::from).into();
    rustflags.extend([
        "--sysroot".into(),
        sysroot.display().to_string(),
        "-Dwarnings".into(),
    ]);
    let mut cargo = command::cargo(root);
    rust.environment(&mut cargo);
    command::run(
        cargo
            .args([
                "rustc",
                "--quiet",
                "--locked",
                "--lib",
                "--crate-type",
                "staticlib",
                "--package",
                package,
            ])
            .args(["--profile", "kernel", "--target", TARGET, "--target-dir"])
            .arg(&target_dir)
            .env("RUSTC", &rust.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join("\x1f")),
    )?;
    Ok(target_dir
        .join(TARGET)
        .join(format!("kernel/lib{}.a", package.replace('-', "_"))))
}

fn link(root: &Path, archive: &Path, output: &Path) -> Result<Command> {
    let mut command = linker(&root.join("target/tools"))?;
    command
        .arg("--gc-sections")
        .arg(archive)
        .arg("-o")
        .arg(output);
    Ok(command)
}

/// The kernel's sysroot with `alloc`, and with memcpy(3) and similar functions, which a module
/// takes from the kernel.
fn sysroot(tools: &Path, rust: &Rust) -> Result<PathBuf> {
    let kernel = build_core::sysroot(tools, rust)?;
    let title = format!(
        "core and alloc of Rust {} for the virtual machine, from their source",
        rust.version
    );
    once(
        &tools.join(format!("alloc-{}", rust.version)),
        &title,
        |dir| {
            let libraries = Path::new("lib/rustlib").join(TARGET).join("lib");
            let lib = dir.join(&libraries);
            fs::create_dir_all(&lib)?;
            let core = lib.join("libcore.rlib");
            fs::copy(kernel.join(&libraries).join("libcore.rlib"), &core)
                .context("core of the kernel")?;
            for (name, source, cfg) in [
                (
                    "compiler_builtins",
                    "compiler-builtins/compiler-builtins/src/lib.rs",
                    &[
                        "--cfg",
                        "feature=\"compiler-builtins\"",
                        "--cfg",
                        "feature=\"mem\"",
                    ][..],
                ),
                ("alloc", "alloc/src/lib.rs", &[]),
            ] {
                command::run(
                    build_core::compile(rust, &lib, name, &rust.library.join(source))
                        .args(cfg)
                        .arg("--extern")
                        .arg(format!("core={}", core.display()))
                        .arg("-o")
                        .arg(lib.join(format!("lib{name}.rlib"))),
                )?;
            }
            Ok(())
        },
    )
}
