//! `freebsd-kernel-sys`: the bindings, generated from a release's kernel headers by bindgen.

use crate::module::toolchain::{CTools, Freebsd, libclang};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

const FUNCTIONS: &str = "\
    _sx_xlock|_sx_xunlock|_sx_slock|_sx_sunlock|sx_try_xlock_|sx_init_flags|sx_destroy|_sleep|\
    wakeup|wakeup_one|selrecord|selwakeup|seldrain|knlist_add|knlist_remove|knlist_destroy|\
    knlist_cleardel|knote|uiomove|make_dev_args_init_impl|make_dev_s|destroy_dev|\
    devfs_set_cdevpriv|devfs_get_cdevpriv|devfs_clear_cdevpriv|malloc|free|getenv_ulong|binuptime|panic|printf";
const TYPES: &str = "\
    sx|selinfo|knlist|knote|kevent|filterops|uio|make_dev_args|cdevsw|malloc_type|bintime";
const VARS: &str = "\
    E[A-Z]+|EV_EOF|EV_CLEAR|EVFILT_READ|EVFILT_WRITE|POLL[A-Z]+|C_ABSOLUTE|KN_DISABLED|\
    KNF_LISTLOCKED|M_NOWAIT|M_WAITOK|M_ZERO|MAKEDEV_WAITOK|MAKEDEV_CHECKNAME|UID_ROOT|GID_WHEEL|\
    FREAD|FWRITE|FNONBLOCK|O_NONBLOCK|FREVOKE";

/// Writes `src/v14.rs` and `src/v15.rs` of the crate at `dir` anew. With `check`, it fails if they
/// would change.
pub fn bindings(tools: &Path, dir: &Path, check: bool) -> Result<()> {
    for freebsd in Freebsd::ALL {
        let path = dir.join(format!("src/v{}.rs", freebsd.major()));
        let made = generate(
            &CTools::release(tools, freebsd, tools)?,
            &dir.join("wrapper.h"),
        )?;
        if !check {
            fs::write(&path, made).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", path.display());
        } else if fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?
            != made
        {
            bail!(
                "{} differs from what the headers give; `make bindings` writes it anew",
                path.display()
            );
        }
    }
    Ok(())
}

/// Runs this program again with the same arguments if bindgen cannot find its parser. bindgen
/// searches only where its own environment directs it. Returns true if the program was run again.
pub fn restarted(tools: &Path) -> Result<bool> {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return Ok(false);
    }
    let mut again = Command::new(env::current_exe()?);
    let status = again
        .args(env::args_os().skip(1))
        .env("LIBCLANG_PATH", libclang(tools)?)
        .status()?;
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(true)
}

/// The bindings of what `header` includes, with the headers of `c`.
pub fn generate(c: &CTools, header: &Path) -> Result<String> {
    let made = bindgen::Builder::default()
        .header(header.display().to_string())
        .clang_args(c.parser_flags())
        .use_core()
        .formatter(bindgen::Formatter::Prettyplease)
        .default_macro_constant_type(bindgen::MacroTypeVariation::Signed)
        .allowlist_function(FUNCTIONS)
        .allowlist_type(TYPES)
        .allowlist_var(VARS)
        // It changes with each new errno.
        .blocklist_item("ELAST")
        .generate_comments(false)
        .layout_tests(true)
        .raw_line(format!(
            "// FreeBSD {}, from wrapper.h by `make bindings`: not to be edited.",
            c.name
        ))
        .generate()
        .with_context(|| format!("bindgen failed on {}", header.display()))?;
    Ok(made.to_string())
}
