//! The builds of kernel modules, of the driver and of the small C modules that kldhost is tested
//! with.

use crate::command;
use crate::module::build_core::{RUSTFLAGS, TARGET, sysroot};
use crate::module::toolchain::{CTools, Freebsd, Rust};
use crate::module::{abi, bindings};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `target/kmod/<major>/echodev.ko`, from the vendored bindings.
pub fn kmod(root: &Path, freebsd: Freebsd) -> Result<PathBuf> {
    let build = build_dir(root, freebsd.major())?;
    let c = CTools::release(&root.join("target/tools"), freebsd, &build)?;
    let bindings = root.join(format!("freebsd-kernel-sys/src/v{}.rs", freebsd.major()));
    abi::check(&c, &wrapper(root), &bindings, true, &build)?;
    let cfg: &[&str] = match freebsd {
        Freebsd::V14 => &["--cfg", "freebsd=\"14\""],
        Freebsd::V15 => &[],
    };
    own_module(root, &c, &build, cfg)
}

/// Builds `target/kmod/sysdir/echodev.ko` against a source tree, after it has generated the
/// bindings from the tree.
pub fn kmod_sysdir(root: &Path, sysdir: &Path, kernbuilddir: Option<&Path>) -> Result<PathBuf> {
    let build = build_dir(root, "sysdir")?;
    let c = CTools::source_tree(&root.join("target/tools"), sysdir, kernbuilddir, &build)?;
    let made = bindings::generate(&c, &wrapper(root))?;
    let path = build.join("bindings.rs");
    fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
    abi::check(&c, &wrapper(root), &path, false, &build)?;
    own_module(root, &c, &build, &["--cfg", "freebsd=\"sysdir\""])
}

/// The header that bindings are made from.
fn wrapper(root: &Path) -> PathBuf {
    root.join("freebsd-kernel-sys/wrapper.h")
}

/// Builds the module from the project's own sources. Warnings are errors.
fn own_module(root: &Path, c: &CTools, build: &Path, cfg: &[&str]) -> Result<PathBuf> {
    let module = root.join("target/kmod").join(&c.name).join("echodev.ko");
    let rustflags = [&["-Dwarnings"], cfg].concat();
    let archive = compile(root, root, c, build, "--locked", &rustflags, &DRIVER)?;
    link(c, root, &[archive], &module)?;
    Ok(module)
}

/// Builds `target/testmods/15/<name>.ko` from each example of freebsd-kernel and the C file that
/// they share.
fn examples(root: &Path, c: &CTools, out: &Path) -> Result<Vec<PathBuf>> {
    let dir = root.join("freebsd-kernel");
    let include = format!("-I{}", dir.join("c").display());
    let tables = c_object(c, &dir.join("examples/example.c"), out, &[&include])?;
    let build = build_dir(root, "examples")?;
    let examples = sources(&dir.join("examples"), "rs")?;
    let mut modules = Vec::new();
    for source in [examples, sources(&dir.join("tests/drivers"), "rs")?].concat() {
        let name = source.file_stem().and_then(|name| name.to_str());
        let name = name.context("an example without a name")?;
        let target = ["--package", "freebsd-kernel", "--example", name];
        let archive = compile(root, root, c, &build, "--locked", &["-Dwarnings"], &target)?;
        let module = out.join(name).with_extension("ko");
        link(c, root, &[archive, tables.clone()], &module)?;
        modules.push(module);
    }
    Ok(modules)
}

/// Builds `module` for FreeBSD 15 from a copy of the sources, in which a deliberate bug may have
/// left a function without a caller. The copy's workspace has fewer members than its lock file, so
/// cargo may shorten that file, but cannot choose other versions.
pub fn mutant(root: &Path, copy: &Path, module: &Path) -> Result<()> {
    let build = build_dir(root, "mutants")?;
    let c = CTools::release(&root.join("target/tools"), Freebsd::V15, &build)?;
    let archive = compile(
        root,
        copy,
        &c,
        &build,
        "--offline",
        &["-Awarnings"],
        &DRIVER,
    )?;
    link(&c, root, &[archive], module)
}

/// The directory where a module is built. It is made if it is not there.
pub fn build_dir(root: &Path, name: &str) -> Result<PathBuf> {
    let dir = root.join("target/kernel").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

/// Cargo's arguments for the driver.
const DRIVER: [&str; 3] = ["--package", "echodev", "--lib"];

/// Compiles what `target` selects of `sources` to a static library, whose path it returns. `build`
/// is for intermediate files, `lock` is cargo's option for the lock file.
fn compile(
    root: &Path,
    sources: &Path,
    c: &CTools,
    build: &Path,
    lock: &str,
    flags: &[&str],
    target: &[&str],
) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let rust = Rust::get(&tools)?;
    let sysroot = sysroot(&tools, &rust)?.display().to_string();
    let rustflags = [&RUSTFLAGS[..], &["--sysroot", &sysroot], flags].concat();
    for text in [vec![root.display().to_string()], c.cflags()].concat() {
        // The cc crate splits its variables at white space.
        ensure!(
            !text.contains(char::is_whitespace),
            "white space in a path cannot be passed to the C compiler: {text}"
        );
    }
    let mut cargo = command::cargo(sources);
    rust.environment(&mut cargo);
    c.environment(&mut cargo, build);
    command::run(
        cargo
            .args(["rustc", "--quiet", lock])
            .args(target)
            .args(["--crate-type", "staticlib", "--profile", "kernel"])
            .args(["--target", TARGET, "--target-dir"])
            .arg(build)
            .env("RUSTC", &rust.rustc)
            .env("FREEBSD_KERNEL_SYS_BINDINGS", build.join("bindings.rs"))
            .env(
                "ECHODEV_KERNEL_OPTIONS",
                c.options.as_deref().unwrap_or(Path::new("")),
            )
            .env("CC_x86_64_unknown_none", c.cc())
            .env("CFLAGS_x86_64_unknown_none", c.cflags().join(" "))
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags.join("\x1f")),
    )?;
    let made = build.join(TARGET).join("kernel");
    Ok(match target {
        [.., "--example", name] => made.join(format!("examples/lib{name}.a")),
        _ => made.join("libechodev.a"),
    })
}

/// Builds `target/testmods/<major>/<name>.ko` from each C file in kldhost's `testmods`, and the C
/// driver that the benchmarks use for comparison.
pub fn testmods(root: &Path, freebsd: Freebsd) -> Result<Vec<PathBuf>> {
    let build = root.join("target/testmods").join(freebsd.major());
    fs::create_dir_all(&build)?;
    let c = CTools::release(&root.join("target/tools"), freebsd, &build)?;
    let mut modules = vec![c_module(
        root,
        &c,
        &root.join("bench/baseline.c"),
        &build,
        &[],
    )?];
    for source in sources(&root.join("kldhost/testmods"), "c")? {
        modules.push(c_module(root, &c, &source, &build, &[])?);
    }
    if freebsd == Freebsd::V15 {
        modules.extend(examples(root, &c, &build)?);
    }
    Ok(modules)
}

/// The files in `dir` with this extension.
fn sources(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == extension) {
            sources.push(path);
        }
    }
    Ok(sources)
}

/// Builds `<name>.ko` in `dir` from the C file `source`, with more flags.
pub fn c_module(
    root: &Path,
    c: &CTools,
    source: &Path,
    dir: &Path,
    flags: &[&str],
) -> Result<PathBuf> {
    let object = c_object(c, source, dir, flags)?;
    let module = object.with_extension("ko");
    link(c, root, &[object], &module)?;
    Ok(module)
}

/// Compiles the C file `source` to `<name>.o` in `dir`, with more flags.
fn c_object(c: &CTools, source: &Path, dir: &Path, flags: &[&str]) -> Result<PathBuf> {
    let object = dir
        .join(source.file_stem().context("a C file without a name")?)
        .with_extension("o");
    command::run(
        c.compile(dir)
            .args(flags)
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(&object),
    )?;
    Ok(object)
}

/// Links objects, and all members of archives, to a module that the kernel loads.
fn link(c: &CTools, root: &Path, inputs: &[PathBuf], module: &Path) -> Result<()> {
    let dir = module.parent().context("a module without a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let unfinished = module.with_extension("unfinished");
    command::run(
        c.ld()
            .args(["-r", "--gc-sections", "--whole-archive", "-T"])
            .arg(root.join("xtask/src/module/module.ld"))
            .args(inputs)
            .arg("-o")
            .arg(&unfinished),
    )?;
    // No debugging information, and no symbol that other modules could link to.
    command::run(
        Command::new("objcopy")
            .args(["--strip-debug", "--keep-global-symbol=none"])
            .arg(&unfinished),
    )?;
    fs::rename(&unfinished, module).with_context(|| format!("cannot write {}", module.display()))
}
