//! Unload reports a thread that has yet to return into the module. A thread that has left by a tail
//! call is not reported. The module is `testmods/stays.c`.

use kldhost::{Call, Config, Errno, Kernel, KldId, O_RDWR, Process, SigAction, Signal};

use crate::common;

/// STAYS_DTOR_LEFT.
const LEFT: u32 = 6;
/// STAYS_DTOR_SLEEPS.
const SLEEPS: u32 = 7;

/// A kernel with a thread in close(2) that sleeps in a call from a destructor, of this way.
fn sleeping_destructor(way: u32) -> (Kernel, KldId, Process, Call<Result<(), Errno>>) {
    let tunables = vec![("hw.stays.way".to_owned(), way.to_string())];
    let (kernel, id) = common::boot(
        "stays",
        Config {
            tunables,
            ..Config::default()
        },
    );
    let process = kernel.process();
    process
        .sigaction(Signal::USR1, SigAction::Handler { restart: false })
        .expect("sigaction");
    let fd = process.open("/dev/stays", O_RDWR).expect("open");
    let close = process.spawn(move |process| process.close(fd));
    kernel
        .wait_asleep(process.pid(), "stays")
        .expect("it sleeps");
    (kernel, id, process, close)
}

#[test]
fn a_thread_that_has_left_by_a_tail_call_is_not_in_the_module() {
    let (kernel, id, process, close) = sleeping_destructor(LEFT);
    assert_eq!(kernel.kldunload(id), Ok(()));
    process.kill(Signal::USR1);
    assert_eq!(close.wait(), Ok(Ok(())));
    assert_eq!(kernel.panic_report(), None);
}

#[test]
fn a_thread_that_returns_into_the_module_is_reported_at_unload() {
    let (kernel, id, process, close) = sleeping_destructor(SLEEPS);
    assert_eq!(kernel.kldunload(id), Err(Errno::PANICKED));
    process.kill(Signal::USR1);
    drop(close);
    let report = kernel.panic_report().expect("a report");
    assert_eq!(
        (report.call.as_str(), report.object.as_deref()),
        ("kldunload", Some("stays.ko"))
    );
    assert!(
        report
            .message
            .contains("is still in stays.ko: stays_dtor_sleeps+0x"),
        "{report}"
    );
}
