//! Compiles the macros of the kernel's headers as functions. The `CC` and `CFLAGS` variables of the
//! target select the compiler and its flags.

fn main() {
    println!("cargo::rerun-if-changed=c");
    // Drivers include the header: their build scripts get its directory as DEP_FREEBSD_KERNEL_INCLUDE.
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/c");
    println!("cargo::metadata=include={include}");
    println!("cargo::rerun-if-env-changed=ECHODEV_KERNEL_OPTIONS");
    let options = std::env::var("ECHODEV_KERNEL_OPTIONS").unwrap_or_default();
    if !options.is_empty() {
        println!("cargo::rerun-if-changed={options}");
    }
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        let mut cc = cc::Build::new();
        cc.no_default_flags(true).file("c/freebsd_kernel.c");
        cc.compile("freebsd_kernel_c");
    }
}
