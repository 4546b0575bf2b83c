//! Copies of kqueues at fork(2).

use kldhost::*;

use super::{COPY, Filters, TAIL, USERDUMP, events};
use crate::common;

#[test]
fn a_kqueue_is_copied_only_from_15_1_on() {
    for release in Release::ALL {
        let process = Kernel::new(Config {
            release,
            ..Config::default()
        })
        .process();
        let expected = if release == Release::V15_1 {
            Ok(1)
        } else {
            Err(Errno::EINVAL)
        };
        assert_eq!(process.kqueuex(KQUEUE_CLOEXEC), Ok(0));
        assert_eq!(process.kqueuex(KQUEUE_CPONFORK), expected, "{release}");
        assert_eq!(process.kqueuex(4), Err(Errno::EINVAL));
        let child = process.fork().unwrap();
        let inherited = |kq| child.kevent(kq, &[], &mut [], None);
        assert_eq!(inherited(0), Err(Errno::EBADF));
        assert_eq!(
            inherited(1),
            expected.map(|_| 0).map_err(|_| Errno::EBADF),
            "{release}"
        );
    }
}

#[test]
fn a_copy_has_the_knotes_whose_filters_allow_it() {
    for (table, error, copied) in [
        (TAIL, 0, false),
        (USERDUMP, 0, false),
        (COPY, 12, false),
        (COPY, 0, true),
    ] {
        let filters = Filters::of(Release::V15_1);
        let kq = filters.process.kqueuex(KQUEUE_CPONFORK).unwrap();
        filters.add(kq, EVFILT_READ, table);
        filters.choose(100 + error);
        let child = filters.process.fork().unwrap();
        let expected = vec![(filters.fd as usize, EVFILT_READ)];
        assert_eq!(
            events(&child, kq),
            if copied { expected.clone() } else { vec![] },
            "table {table}"
        );
        // Each has its own.
        assert_eq!(events(&filters.process, kq), expected);
        filters.process.close(kq).unwrap();
        assert_eq!(events(&child, kq).len(), usize::from(copied));
        // Unload drops the copy also.
        let Filters {
            kernel,
            id,
            process,
            ..
        } = filters;
        process.exit();
        assert_eq!(kernel.kldunload(id), Ok(()), "{:?}", kernel.panic_report());
        assert_eq!(events(&child, kq), []);
    }
}

#[test]
fn a_copy_goes_with_its_descriptor() {
    let filters = Filters::of(Release::V15_1);
    let kq = filters.process.kqueuex(KQUEUE_CPONFORK).unwrap();
    let plain = filters.process.kqueue().unwrap();
    filters.add(kq, EVFILT_READ, COPY);
    let child = filters.process.fork().unwrap();
    assert_eq!(child.close(plain), Err(Errno::EBADF));
    child.close(filters.fd).unwrap();
    assert_eq!(events(&child, kq), []);
    assert_eq!(events(&filters.process, kq).len(), 1);
    child.exit();
    filters.unload();
}

#[test]
fn the_kernels_own_copy_is_there_from_15_1_on() {
    for release in [Release::V15_0, Release::V15_1] {
        let kernel = Kernel::new(Config {
            release,
            ..Config::default()
        });
        let loaded = kernel.kldload(&common::module("copies", release));
        if release == Release::V15_0 {
            let error = loaded.expect_err("it has no knote_triv_copy").to_string();
            assert!(error.contains("knote_triv_copy"), "{error}");
            continue;
        }
        drop(kernel);
        let filters = Filters::new(
            "copies",
            Config {
                release,
                ..Config::default()
            },
        );
        let kq = filters.process.kqueuex(KQUEUE_CPONFORK).unwrap();
        filters.add(kq, EVFILT_READ, COPY);
        let child = filters.process.fork().unwrap();
        assert_eq!(events(&child, kq), [(filters.fd as usize, EVFILT_READ)]);
        child.exit();
        filters.unload();
    }
}
