//! Hooks on KPI calls.

use std::collections::HashSet;

use kldhost::sync::{Arc, Mutex};
use kldhost::*;

use super::check_request;
use crate::common;

/// Check 1 has M_NOWAIT allocations that must succeed; the hook makes one of them fail.
#[test]
fn a_hook_fails_the_nth_allocation_that_may_fail() {
    const M_NOWAIT: u64 = 1;
    let seen = Arc::new(Mutex::new(0));
    let hook = move |call: &kldhost::KpiCall| {
        let counts = call.name == "malloc" && call.args[2] & M_NOWAIT != 0;
        *seen.lock() += u32::from(counts);
        (counts && *seen.lock() == 1).then_some(0)
    };
    let (kernel, _id) = common::boot(
        "kpi",
        Config {
            hook: Some(Arc::new(hook)),
            ..Config::default()
        },
    );
    let process = kernel.process();
    let fd = process.open("/dev/kpi", O_RDWR).unwrap();
    let mut line = [0; 4];
    assert_eq!(process.ioctl(fd, check_request(1), &mut line), Ok(()));
    assert_ne!(i32::from_ne_bytes(line), 0);
}

#[test]
fn a_hook_sees_each_call_and_can_make_it_fail() {
    let calls = Arc::new(Mutex::new(HashSet::new()));
    let seen = calls.clone();
    let hook = move |call: &kldhost::KpiCall| {
        seen.lock().insert(call.name);
        (call.name == "make_dev_s").then_some(17)
    };
    let kernel = Kernel::new(Config {
        hook: Some(Arc::new(hook)),
        ..Config::default()
    });
    let error = kernel
        .kldload(&common::module("plain", Release::default()))
        .expect_err("make_dev_s fails");
    let KldError::Refused {
        error, mod_load, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((error, mod_load), (Errno::ENOEXEC, Some(Errno::EEXIST)));
    let console = kernel.console();
    assert!(
        console[0].starts_with("module_register_init: MOD_LOAD (plain, "),
        "{console:?}"
    );
    for name in [
        "malloc_init",
        "module_register_init",
        "sx_init_flags",
        "knlist_init",
        "make_dev_s",
        "malloc_uninit",
    ] {
        assert!(calls.lock().contains(name), "{name}");
    }
    assert_eq!(kernel.leaks(), []);
}
