//! Compiles the C shim into the kernel crate. Which compiler and flags, xtask says by `CC` and
//! `CFLAGS` of the target.

fn main() {
    println!("cargo::rerun-if-changed=c_shim");
    println!("cargo::rerun-if-env-changed=ECHODEV_KERNEL_OPTIONS");
    if let Some(opt_global) = std::env::var("ECHODEV_KERNEL_OPTIONS")
        .ok()
        .filter(|path| !path.is_empty())
    {
        println!("cargo::rerun-if-changed={opt_global}");
    }
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        cc::Build::new()
            .no_default_flags(true)
            .file("c_shim/echodev.c")
            .compile("echodev_shim");
    }
}
