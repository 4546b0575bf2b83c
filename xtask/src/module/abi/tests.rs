use super::bindings::Bindings;
use super::{Struct, USED, assertions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

/// A header, and the bindings that bindgen writes for it.
const HEADER: &str = "\
#define LIMIT 16
enum color { RED, BLUE = 5 };
typedef long count_t;
struct pair { int first; count_t second; };
struct list { int length; struct { struct pair *next; } head; };
extern count_t counter;
int give(const char *, struct pair *const *, unsigned long);
void *get(void (*)(void *, int), ...);
void stop(void);
";
const BINDINGS: &str = r#"
    pub const LIMIT: i32 = 16;
    pub const color_BLUE: color = 5;
    pub type color = ::core::ffi::c_uint;
    pub type count_t = ::core::ffi::c_long;
    #[repr(C)]
    pub struct pair { pub first: ::core::ffi::c_int, pub second: count_t }
    const _: () = {
        ["Size of pair"][::core::mem::size_of::<pair>() - 16usize];
        ["Offset of field: pair::second"][::core::mem::offset_of!(pair, second) - 8usize];
    };
    #[repr(C)]
    pub struct list { pub length: ::core::ffi::c_int, pub head: list__bindgen_ty_1 }
    #[repr(C)]
    pub struct list__bindgen_ty_1 { pub next: *mut pair }
    const _: () = {
        ["Offset of field: list__bindgen_ty_1::next"]
            [::core::mem::offset_of!(list__bindgen_ty_1, next) - 0usize];
    };
    const _: () = {
        ["Offset of field: list::head"][::core::mem::offset_of!(list, head) - 8usize];
    };
    unsafe extern "C" {
        pub static mut counter: count_t;
    }
    unsafe extern "C" {
        pub fn give(arg1: *const ::core::ffi::c_char, arg2: *const *mut pair, n: usize) -> i32;
        pub fn get(
            f: ::core::option::Option<
                unsafe extern "C" fn(arg1: *mut ::core::ffi::c_void, arg2: ::core::ffi::c_int),
            >, ...
        ) -> *mut ::core::ffi::c_void;
        pub fn stop() -> !;
    }
"#;
const SAMPLE: [Struct; 2] = [
    Struct {
        name: "pair",
        sized: true,
        fields: &["second"],
    },
    Struct {
        name: "list",
        sized: false,
        fields: &["head.next"],
    },
];

/// The errors of the C compiler for the assertions after a header.
fn compile(header: &str) -> String {
    let bindings = Bindings::parse(BINDINGS).unwrap();
    let text = format!("{header}{}", assertions(&bindings, &SAMPLE).unwrap());
    let mut cc = Command::new("cc");
    cc.args(["-std=gnu17", "-fsyntax-only", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = cc.spawn().unwrap();
    running
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let out = running.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.success(), errors.is_empty(), "{errors}");
    errors
}

#[test]
fn a_header_that_agrees() {
    assert_eq!(compile(HEADER), "");
}

#[test]
fn a_header_that_differs() {
    for (from, to, named) in [
        ("LIMIT 16", "LIMIT 17", "constant LIMIT is not 16"),
        ("BLUE = 5", "BLUE = 6", "constant BLUE is not 5"),
        (
            "int first;",
            "int first, more; long last;",
            "struct pair: the size is not 16",
        ),
        (
            "int first; count_t second;",
            "count_t second; int first;",
            "pair: second is not at offset 8",
        ),
        (
            "typedef long count_t",
            "typedef unsigned long count_t",
            "pair: second is not of type long",
        ),
        (
            "int length;",
            "int length; void *more;",
            "struct list: head.next is not at offset 8",
        ),
        (
            "struct pair *next",
            "void *next",
            "list: head.next is not of type struct pair *",
        ),
        (
            "extern count_t counter",
            "extern int counter",
            "counter is not declared as long",
        ),
        (
            "int give(const char *",
            "int give(char *",
            "give is not declared as int (const char *",
        ),
        (
            "*const *, unsigned long",
            "**, unsigned long",
            "give is not declared as int (const char *",
        ),
        (
            "unsigned long);",
            "unsigned int);",
            "give is not declared as int (const char *",
        ),
        (
            "int give",
            "long give",
            "give is not declared as int (const char *",
        ),
        (
            "(void *, int), ...",
            "(void *, long), ...",
            "get is not declared as void *(void (*)(void *, int)",
        ),
        ("void stop(void);", "", "stop"),
    ] {
        let header = HEADER.replace(from, to);
        assert_ne!(header, HEADER);
        let errors = compile(&header);
        assert!(errors.contains(named), "{to}: {errors}");
    }
}

/// The vendored bindings have everything that Rust uses.
#[test]
fn the_list_fits_the_bindings() {
    for bindings in [
        include_str!("../../../../freebsd-kernel-sys/src/v14.rs"),
        include_str!("../../../../freebsd-kernel-sys/src/v15.rs"),
    ] {
        let text = assertions(&Bindings::parse(bindings).unwrap(), &USED).unwrap();
        for line in [
            "_Static_assert(sizeof(struct sx) == 32, ",
            "_Static_assert(__builtin_offsetof(struct knote, kn_fop) == 152, ",
            "_Static_assert(EV_EOF == 32768, ",
            "_Static_assert(__builtin_types_compatible_p(__typeof__(wakeup), void (const void *)), ",
        ] {
            assert!(text.contains(line), "{line}");
        }
    }
}

/// Each C field that the driver's sources name is in the list.
#[test]
fn the_list_has_what_the_driver_uses() {
    let bindings =
        Bindings::parse(include_str!("../../../../freebsd-kernel-sys/src/v15.rs")).unwrap();
    let listed: Vec<_> = USED
        .iter()
        .flat_map(|used| used.fields)
        .flat_map(|path| path.split('.'))
        .collect();
    let mut found = 0;
    for source in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../freebsd-kernel/src")) {
        for part in source.split('.').skip(1) {
            let name = part
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .next()
                .unwrap_or_default();
            // Words without an underscore may as well be Rust names.
            if name.contains('_') && bindings.has_field(name) {
                assert!(listed.contains(&name), "{name}");
                found += 1;
            }
        }
    }
    assert!(found > 0);
}

fn sources(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![fs::read_to_string(path).unwrap()]
        }
    };
    entries.flat_map(read).collect()
}
