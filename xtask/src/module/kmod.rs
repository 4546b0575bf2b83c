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
    let cfg = if freebsd == Freebsd::V14 {
        vec!["--cfg".into(), "freebsd=\"14\"".into()]
    } else {
        vec![]
    };
    let build_dir = build_dir(root, freebsd.major())?;
    let c = CTools::release(&root.join("target/tools"), freebsd, &build_dir)?;
    let bindings = root.join(format!("freebsd-kernel-sys/src/v{}.rs", freebsd.major()));
    abi::check(&c, &wrapper(root), &bindings, true, &build_dir)?;
    build(root, &c, cfg)
}

/// Builds `target/kmod/sysdir/echodev.ko` against a source tree, after it has generated the
/// bindings from the tree.
pub fn kmod_sysdir(root: &Path, sysdir: &Path, kernbuilddir: Option<&Path>) -> Result<PathBuf> {
    let build_dir = build_dir(root, "sysdir")?;
    let c = CTools::source_tree(&root.join("target/tools"), sysdir, kernbuilddir, &build_dir)?;
    let made = bindings::generate(&c, &wrapper(root))?;
    let path = build_dir.join("bindings.rs");
    fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
    abi::check(&c, &wrapper(root), &path, false, &build_dir)?;
    build(root, &c, vec!["--cfg".into(), "freebsd=\"sysdir\"".into()])
}

/// The header that bindings are made from.
fn wrapper(root: &Path) -> PathBuf {
    root.join("freebsd-kernel-sys/wrapper.h")
}

/// Builds `target/mutants/<name>/echodev.ko`: the module for FreeBSD 15 with the deliberate bug of
/// this name.
pub fn mutant(root: &Path, name: &str) -> Result<PathBuf> {
    let mut c = CTools::release(
        &root.join("target/tools"),
        Freebsd::V15,
        &build_dir(root, "mutants")?,
    )?;
    c.name = "mutants".into();
    c.define(&format!("MUTANT_{}", name.to_uppercase().replace('-', "_")));
    let module = build(root, &c, vec!["--cfg".into(), format!("mutant={name:?}")])?;
    let kept = root.join("target/mutants").join(name).join("echodev.ko");
    fs::create_dir_all(kept.parent().context("a module without a directory")?)?;
    fs::rename(&module, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
    Ok(kept)
}

/// The directory where a module is built. It is made if it is not there.
pub fn build_dir(root: &Path, name: &str) -> Result<PathBuf> {
    let dir = root.join("target/kernel").join(name);
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    Ok(dir)
}

fn build(root: &Path, c: &CTools, cfg: Vec<String>) -> Result<PathBuf> {
    let tools = root.join("target/tools");
    let rust = Rust::get(&tools)?;
    let sysroot = sysroot(&tools, &rust)?;

    let mut rustflags: Vec<String> = RUSTFLAGS.map(String::from).into();
    rustflags.extend([
        "--sysroot".into(),
        sysroot.display().to_string(),
        "-Dwarnings".into(),
    ]);
    rustflags.extend(cfg);
    let build = build_dir(root, &c.name)?;
    for text in [vec![root.display().to_string()], c.cflags()].concat() {
        // The cc crate splits its variables at white space.
        ensure!(
            !text.contains(char::is_whitespace),
            "white space in a path cannot be passed to the C compiler: {text}"
        );
    }
    let mut cargo = command::cargo(root);
    rust.environment(&mut cargo);
    c.environment(&mut cargo, &build);
    command::run(
        cargo
            .args([
                "rustc",
                "--quiet",
                "--locked",
                "--package",
                "echodev",
                "--lib",
                "--crate-type",
                "staticlib",
            ])
            .args(["--profile", "kernel", "--target", TARGET, "--target-dir"])
            .arg(&build)
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

    let module = root.join("target/kmod").join(&c.name).join("echodev.ko");
    link(
        c,
        root,
        &[build.join(TARGET).join("kernel/libechodev.a")],
        &module,
    )?;
    Ok(module)
}

/// Builds `target/testmods/<major>/<name>.ko` from each C file in kldhost's `testmods`, and the C
/// driver that the benchmarks use for comparison.
pub fn testmods(root: &Path, freebsd: Freebsd) -> Result<Vec<PathBuf>> {
    let build = root.join("target/testmods").join(freebsd.major());
    fs::create_dir_all(&build)?;
    let c = CTools::release(&root.join("target/tools"), freebsd, &build)?;
    let dir = root.join("kldhost/testmods");
    let mut modules = vec![c_module(
        root,
        &c,
        &root.join("bench/baseline.c"),
        &build,
        &[],
    )?];
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let source = entry?.path();
        if source.extension().is_some_and(|ext| ext == "c") {
            modules.push(c_module(root, &c, &source, &build, &[])?);
        }
    }
    Ok(modules)
}

/// Builds `<name>.ko` in `dir` from the C file `source`, with more flags.
pub fn c_module(
    root: &Path,
    c: &CTools,
    source: &Path,
    dir: &Path,
    flags: &[&str],
) -> Result<PathBuf> {
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
    let module = object.with_extension("ko");
    link(c, root, &[object], &module)?;
    Ok(module)
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
