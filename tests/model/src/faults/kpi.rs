//! Functions of the KPI that fail, at every place where they can.

use crate::perform::{DEVICE, GBUFSIZE, SBUFSIZE};
use crate::run::subject;
use kldhost::{
    Config, Errno, IoctlArg, Kernel, KldError, KpiCall, O_RDONLY, O_RDWR, O_WRONLY, UserIn,
};
use std::sync::{Arc, Mutex};

/// Whether a call of malloc(9) may return NULL, because it has M_NOWAIT.
fn may_fail(malloc: &KpiCall) -> bool {
    const M_NOWAIT: u64 = 1;
    malloc.args[2] & M_NOWAIT != 0
}

/// A kernel in which a KPI function fails while `failing` has its name and result.
struct Failing {
    kernel: Kernel,
    failing: Arc<Mutex<Option<(&'static str, i64)>>>,
    called: Arc<Mutex<Vec<KpiCall>>>,
}

impl Failing {
    fn boot() -> Failing {
        let (failing, called) = (
            Arc::<Mutex<Option<(&'static str, i64)>>>::default(),
            Arc::<Mutex<Vec<KpiCall>>>::default(),
        );
        let (now, calls) = (failing.clone(), called.clone());
        let hook = move |call: &KpiCall| {
            calls
                .lock()
                .expect("no thread panics with the lock held")
                .push(*call);
            let failing = *now.lock().expect("no thread panics with the lock held");
            let fails = |(name, _): &(&str, i64)| {
                *name == call.name && (call.name != "malloc" || may_fail(call))
            };
            failing.filter(fails).map(|(_, result)| result)
        };
        let kernel = Kernel::new(Config {
            hook: Some(Arc::new(hook)),
            release: subject().release,
            ..Config::default()
        });
        Failing {
            kernel,
            failing,
            called,
        }
    }

    fn fail(&self, what: Option<(&'static str, i64)>) {
        *self
            .failing
            .lock()
            .expect("no thread panics with the lock held") = what;
    }

    /// Checks that nothing of the module is left, and that it can be loaded, used, and unloaded.
    fn check_as_new(&self) {
        self.fail(None);
        assert_eq!(self.kernel.panic_report(), None);
        assert_eq!(
            (
                self.kernel.malloc_stats("echodev").allocations,
                self.kernel.leaks()
            ),
            (0, vec![])
        );
        assert_eq!(self.kernel.devices(), []);
        let id = self.kernel.kldload(&subject().file).expect("kldload");
        let process = self.kernel.process();
        let (w, r) = (
            process.open(DEVICE, O_WRONLY).expect("open"),
            process.open(DEVICE, O_RDONLY).expect("open"),
        );
        assert_eq!(process.write(w, b"hello"), Ok(5));
        assert_eq!(process.read(r, &mut [0; 9]), Ok(5));
        process.exit();
        assert_eq!(
            self.kernel.kldunload(id),
            Ok(()),
            "{:?}",
            self.kernel.panic_report()
        );
        assert_eq!(
            (self.kernel.leaks(), self.kernel.panic_report()),
            (vec![], None)
        );
    }
}

const ERRORS: [Errno; 7] = [
    Errno::EPERM,
    Errno::ENXIO,
    Errno::ENOMEM,
    Errno::EBUSY,
    Errno::EEXIST,
    Errno::EINVAL,
    Errno::ENAMETOOLONG,
];

/// Each function that a load calls fails if it can. With each error, the load fails with that
/// error, and leaves nothing.
#[test]
fn every_step_of_a_load_fails() {
    let host = Failing::boot();
    host.check_as_new();
    let called: Vec<&str> = host
        .called
        .lock()
        .expect("no thread panics with the lock held")
        .iter()
        .map(|call| call.name)
        .collect();
    let load = called
        .iter()
        .position(|name| *name == "make_dev_s")
        .expect("a load makes a device");
    // None of these can fail, except malloc with M_NOWAIT. A missing tunable is not a failure.
    let cannot_fail = [
        "malloc_init",
        "module_register_init",
        "getenv_ulong",
        "malloc",
        "sx_init_flags",
        "knlist_init",
        "make_dev_args_init_impl",
        "memset",
    ];
    let others: Vec<_> = called[..load]
        .iter()
        .filter(|name| !cannot_fail.contains(name))
        .collect();
    assert!(
        others.is_empty(),
        "a load calls {others:?}, whose failures are not tested"
    );
    let failures = ERRORS.map(|error| ("make_dev_s", error.0.into(), error));
    for (name, result, error) in failures.into_iter().chain([("malloc", 0, Errno::ENOMEM)]) {
        host.fail(Some((name, result)));
        match host.kernel.kldload(&subject().file) {
            Err(KldError::Refused {
                error: Errno::ENOEXEC,
                mod_load: Some(of_load),
                ..
            }) => assert_eq!(of_load, error),
            other => panic!("{name} failed with {error:?}, but the load returned {other:?}"),
        }
        host.check_as_new();
    }
}

/// A resize without memory fails with ENOMEM and changes nothing. A resize that needs no memory
/// succeeds.
#[test]
fn the_memory_of_a_resize_is_refused() {
    let host = Failing::boot();
    let id = host.kernel.kldload(&subject().file).expect("kldload");
    let process = host.kernel.process();
    let rw = process.open(DEVICE, O_RDWR).expect("open");
    let resize = |len: usize| process.ioctl(rw, SBUFSIZE, IoctlArg::from(&mut len.to_ne_bytes()));
    let size = || {
        let mut len = [0; 8];
        process
            .ioctl(rw, GBUFSIZE, IoctlArg::from(&mut len))
            .expect("ECHODEV_GBUFSIZE");
        usize::from_ne_bytes(len)
    };
    assert_eq!(process.write(rw, b"hello"), Ok(5));
    host.fail(Some(("malloc", 0)));
    for (len, result) in [
        (100, Err(Errno::ENOMEM)),
        (4, Err(Errno::EBUSY)),
        (64, Ok(())),
        (5, Err(Errno::ENOMEM)),
    ] {
        assert_eq!((resize(len), size()), (result, 64), "to {len} bytes");
    }
    host.fail(None);
    assert_eq!((resize(100), size()), (Ok(()), 100));
    let mut bytes = [0; 9];
    assert_eq!(
        (process.read(rw, &mut bytes), &bytes[..5]),
        (Ok(5), &b"hello"[..])
    );
    process.exit();
    assert_eq!(
        host.kernel.kldunload(id),
        Ok(()),
        "{:?}",
        host.kernel.panic_report()
    );
    host.check_as_new();
}

/// If no knote was attached, there is nothing to wait for. The unload never sleeps, and leaves no
/// memory allocated.
#[test]
fn an_unload_without_knotes_waits_for_nothing() {
    let host = Failing::boot();
    let before = host.kernel.malloc_stats("devbuf");
    for uses in [false, true] {
        let id = host.kernel.kldload(&subject().file).expect("kldload");
        let process = host.kernel.process();
        if uses {
            let rw = process.open(DEVICE, O_RDWR).expect("open");
            assert_eq!(
                (process.write(rw, b"hello"), process.read(rw, &mut [0; 9])),
                (Ok(5), Ok(5))
            );
        }
        host.called
            .lock()
            .expect("no thread panics with the lock held")
            .clear();
        assert_eq!(
            host.kernel.kldunload(id),
            Ok(()),
            "{:?}",
            host.kernel.panic_report()
        );
        let called = host
            .called
            .lock()
            .expect("no thread panics with the lock held");
        let sleeps = |call: &&KpiCall| call.name.contains("sleep") || call.name.contains("pause");
        assert_eq!(
            called.iter().find(sleeps).map(|call| call.name),
            None,
            "the device was used: {uses}"
        );
        assert!(called.iter().any(|call| call.name == "destroy_dev"));
        assert_eq!(
            host.kernel.malloc_stats("devbuf"),
            before,
            "the device was used: {uses}"
        );
    }
}

/// If devfs_set_cdevpriv(9) fails, the open also fails, and counts no writer.
#[test]
fn the_token_of_a_writer_is_refused() {
    for error in [Errno::ENOENT, Errno::EBUSY, Errno::EINVAL] {
        let host = Failing::boot();
        let id = host.kernel.kldload(&subject().file).expect("kldload");
        let process = host.kernel.process();
        let before = host.kernel.malloc_stats("echodev");
        host.fail(Some(("devfs_set_cdevpriv", error.0.into())));
        assert_eq!(process.open(DEVICE, O_WRONLY), Err(error));
        assert_eq!(host.kernel.malloc_stats("echodev"), before);
        host.fail(None);
        let r = process.open(DEVICE, O_RDONLY).expect("open");
        assert_eq!(process.read(r, &mut [0; 9]), Ok(0), "there is no writer");
        let w = process.open(DEVICE, O_WRONLY).expect("open");
        assert_eq!(process.write(w, UserIn::unmapped(3)), Err(Errno::EFAULT));
        assert_eq!(
            host.kernel.kldunload(id),
            Ok(()),
            "{:?}",
            host.kernel.panic_report()
        );
        process.exit();
        host.check_as_new();
    }
}
