//! Compiles the tables of the driver, which the kernel reads. The `CC` and `CFLAGS` variables of
//! the target select the compiler and its flags.

fn main() {
    println!("cargo::rerun-if-changed=c_shim");
    println!("cargo::rerun-if-env-changed=ECHODEV_KERNEL_OPTIONS");
    let options = std::env::var("ECHODEV_KERNEL_OPTIONS").unwrap_or_default();
    if !options.is_empty() {
        println!("cargo::rerun-if-changed={options}");
    }
    let include = std::env::var("DEP_FREEBSD_KERNEL_INCLUDE").expect("freebsd-kernel sets it");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        cc::Build::new()
            .no_default_flags(true)
            .include(include)
            .file("c_shim/echodev.c")
            .compile("echodev_shim");
    }
}
