//! The bindings against the headers that a module is built with.
//!
//! The bindings of the Rust code may come from other headers than those that the C files are
//! compiled with. So every build generates a C file from its bindings, and compiles it with its own
//! headers. The file asserts what Rust relies on. That is the offset and type of each field that
//! Rust uses, the size of each struct that Rust makes, each function's prototype, and each
//! constant.

mod bindings;
mod ctype;
#[cfg(test)]
mod tests;

use crate::command;
use crate::module::toolchain::CTools;
use anyhow::{Context, Result};
use bindings::Bindings;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// A C struct, and what Rust does with it.
struct Struct {
    name: &'static str,
    /// Whether the module makes or embeds such a struct, so that its size matters.
    sized: bool,
    /// The fields that Rust uses, as paths. Those that it only sets to zero are not here.
    fields: &'static [&'static str],
}

/// The parts of C structs that Rust uses. A test compares this list with the sources.
const USED: [Struct; 12] = [
    Struct {
        name: "bintime",
        sized: true,
        fields: &["sec", "frac"],
    },
    Struct {
        name: "cdev",
        sized: false,
        fields: &["si_drv1"],
    },
    Struct {
        name: "cdevsw",
        sized: true,
        fields: &[],
    },
    // The struct grows. Later members are covered by the tail that each table has.
    Struct {
        name: "filterops",
        sized: false,
        fields: &["f_isfd", "f_attach", "f_detach", "f_event", "f_touch"],
    },
    Struct {
        name: "kevent",
        sized: true,
        fields: &["ident", "filter", "flags", "fflags", "data", "udata"],
    },
    Struct {
        name: "knlist",
        sized: true,
        fields: &["kl_list.slh_first"],
    },
    Struct {
        name: "knote",
        sized: false,
        fields: &[
            "kn_selnext.sle_next",
            "kn_kevent",
            "kn_hook",
            "kn_hookid",
            "kn_status",
            "kn_fop",
        ],
    },
    Struct {
        name: "make_dev_args",
        sized: true,
        fields: &[
            "mda_size",
            "mda_flags",
            "mda_devsw",
            "mda_cr",
            "mda_uid",
            "mda_gid",
            "mda_mode",
            "mda_unit",
            "mda_si_drv1",
            "mda_si_drv2",
        ],
    },
    Struct {
        name: "malloc_type",
        sized: true,
        fields: &[],
    },
    Struct {
        name: "selinfo",
        sized: true,
        fields: &["si_tdlist.tqh_first", "si_note"],
    },
    Struct {
        name: "sx",
        sized: true,
        fields: &["lock_object", "lock_object.lo_data"],
    },
    Struct {
        name: "uio",
        sized: false,
        fields: &["uio_resid"],
    },
];

/// The sizes of structs that only the C files define, in the first headers of 14 and 15. Every
/// later kernel of the line loads the module, so the sizes must not change.
const DEFINED: [(&str, u64); 4] = [
    ("sysinit", 32),
    ("moduledata", 24),
    ("mod_metadata", 24),
    ("mod_depend", 12),
];

/// Compiles, in `build`, the assertions for the bindings in a file with the headers of `c`.
/// `wrapper` is the header that the bindings were made from. `release` is true for the bindings of
/// a release line, which are not generated from the headers of `c`.
pub fn check(
    c: &CTools,
    wrapper: &Path,
    bindings: &Path,
    release: bool,
    build: &Path,
) -> Result<()> {
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let parsed = Bindings::parse(&read(bindings)?)
        .with_context(|| format!("cannot understand the bindings in {}", bindings.display()))?;
    let mut text = read(wrapper)? + "#include <sys/module.h>\n\n" + &assertions(&parsed, &USED)?;
    if release {
        for (name, size) in DEFINED {
            writeln!(text, "{}", size_of(name, size))?;
        }
    }
    let source = build.join("abi.c");
    fs::write(&source, text).with_context(|| format!("cannot write {}", source.display()))?;
    let object = source.with_extension("o");
    let compiled = command::run(
        c.compile(build)
            .arg("-c")
            .arg(&source)
            .arg("-o")
            .arg(object),
    );
    compiled.with_context(|| {
        let remedy = if release {
            "Build with SYSDIR=/path/to/sys, which generates the bindings from the headers in use, \
             or write the vendored ones anew with `make bindings`"
        } else {
            "They were just generated from these headers, so xtask has to be adapted to them"
        };
        format!(
            "the kernel headers differ from the bindings that Rust is compiled with, {}. {remedy}. \
             Each error below names a struct, field, function or constant that differs",
            bindings.display()
        )
    })
}

/// C assertions that the headers agree with the bindings in all that Rust uses.
fn assertions(bindings: &Bindings, used: &[Struct]) -> Result<String> {
    let mut text = String::new();
    for (name, value) in &bindings.constants {
        writeln!(
            text,
            "_Static_assert({name} == {value}, \"constant {name} is not {value}\");"
        )?;
    }
    for (name, item) in &bindings.declarations {
        let want = bindings.declared_type(item)?;
        writeln!(
            text,
            "_Static_assert(__builtin_types_compatible_p(__typeof__({name}), {want}), \
             \"{name} is not declared as {want}\");"
        )?;
    }
    for Struct {
        name,
        sized,
        fields,
    } in used
    {
        if *sized {
            writeln!(text, "{}", size_of(name, bindings.size(name)?))?;
        }
        for field in *fields {
            let (offset, field_type) = bindings.field(name, field)?;
            writeln!(
                text,
                "_Static_assert(__builtin_offsetof(struct {name}, {field}) == {offset}, \
                 \"struct {name}: {field} is not at offset {offset}\");"
            )?;
            let want = bindings.c_type(field_type)?;
            writeln!(
                text,
                "_Static_assert(__builtin_types_compatible_p(__typeof__(((struct {name} *)0)->{field}), {want}), \
                 \"struct {name}: {field} is not of type {want}\");"
            )?;
        }
    }
    Ok(text)
}

/// A C assertion on the size of a struct.
fn size_of(name: &str, size: u64) -> String {
    format!(
        "_Static_assert(sizeof(struct {name}) == {size}, \"struct {name}: the size is not {size}\");"
    )
}
