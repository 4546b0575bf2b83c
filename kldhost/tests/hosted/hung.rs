//! Page faults that do not end, and threads that wait for the lock which is held during them.

use kldhost::sync::{Arc, Duration};
use kldhost::{
    Call, Config, Errno, Fd, Kernel, KldId, O_RDWR, Process, SigAction, Signal, UserMem,
};

use crate::common;

/// `KPI_XCOPY`
const XCOPY: u64 = 0x8010_0000 | (b'K' as u64) << 8 | 203;
/// `KPI_SCOPY`
const SCOPY: u64 = XCOPY + 1;

fn boot(module: &str) -> (Kernel, KldId, Process, Fd) {
    let (kernel, id) = common::boot(module, Config::default());
    let process = kernel.process();
    let fd = process
        .open(&format!("/dev/{module}"), O_RDWR)
        .expect("open");
    (kernel, id, process, fd)
}

/// Starts the ioctl by a child of `parent`, which copies four bytes of `memory`.
fn copy(
    parent: &Process,
    fd: Fd,
    request: u64,
    memory: &Arc<UserMem>,
) -> (Process, Call<Result<(), Errno>>) {
    let process = parent.fork().expect("fork");
    let memory = memory.clone();
    let call = process.spawn(move |process| {
        let mut string = [0; 16];
        string[..8].copy_from_slice(&memory.addr().to_ne_bytes());
        string[8..].copy_from_slice(&4usize.to_ne_bytes());
        process.ioctl(fd, request, &mut string)
    });
    (process, call)
}

#[test]
fn signals_end_an_interruptible_wait_for_the_lock() {
    let (kernel, id, process, fd) = boot("kpi");
    let (hung, fine) = (Arc::new(UserMem::hung(4)), Arc::new(UserMem::new(4)));
    let (holder, held) = copy(&process, fd, XCOPY, &hung);
    kernel.wait_asleep(holder.pid(), "hungpg").unwrap();
    for request in [XCOPY, SCOPY] {
        let (waiter, call) = copy(&process, fd, request, &fine);
        waiter
            .sigaction(Signal::INT, SigAction::Handler { restart: false })
            .unwrap();
        waiter
            .sigaction(Signal::USR1, SigAction::Handler { restart: true })
            .unwrap();
        kernel.wait_asleep(waiter.pid(), "kpi sx").unwrap();
        waiter.kill(Signal::USR1);
        let handled = |_: &[_]| waiter.handled(Signal::USR1) == 1;
        kernel
            .wait_threads(Duration::from_secs(10), handled)
            .unwrap();
        kernel.wait_asleep(waiter.pid(), "kpi sx").unwrap();
        waiter.kill(Signal::INT);
        assert_eq!(call.wait().unwrap(), Err(Errno::EINTR));

        let (waiter, call) = copy(&process, fd, request, &fine);
        kernel.wait_asleep(waiter.pid(), "kpi sx").unwrap();
        waiter.kill(Signal::KILL);
        assert_eq!(call.wait().unwrap(), Err(Errno::KILLED));
    }
    let (waiter, call) = copy(&process, fd, XCOPY, &fine);
    kernel.wait_asleep(waiter.pid(), "kpi sx").unwrap();
    kernel.release_faults();
    assert_eq!(held.wait().unwrap(), Ok(()));
    assert_eq!(call.wait().unwrap(), Ok(()));
    assert_eq!(
        copy(&process, fd, XCOPY, &hung).1.wait().unwrap(),
        Ok(()),
        "later faults end at once"
    );
    process.exit();
    drop((holder, waiter));
    kernel.kldunload(id).unwrap();
}

/// The plain driver waits for its lock uninterruptibly.
#[test]
fn neither_a_page_fault_nor_a_plain_lock_is_interrupted() {
    let (kernel, id, process, fd) = boot("plain");
    let hung = Arc::new(UserMem::hung(8));
    let from = hung.clone();
    let writer = process.spawn(move |process| process.write(fd, from.input(..)));
    kernel.wait_asleep(process.pid(), "hungpg").unwrap();
    let other = process.fork().unwrap();
    let reader = other.spawn(move |process| {
        let mut bytes = [1; 16];
        process.read(fd, &mut bytes).map(|n| bytes[..n].to_vec())
    });
    kernel.wait_asleep(other.pid(), "plain").unwrap();
    process
        .sigaction(Signal::INT, SigAction::Handler { restart: false })
        .unwrap();
    process.kill(Signal::INT);
    other.kill(Signal::KILL);
    kernel.wait_asleep(process.pid(), "hungpg").unwrap();
    kernel.wait_asleep(other.pid(), "plain").unwrap();
    kernel.release_faults();
    assert_eq!(writer.wait().unwrap(), Ok(8));
    assert_eq!(reader.wait().unwrap(), Err(Errno::KILLED));

    process.write(fd, b"12345678").unwrap();
    assert_eq!(process.read(fd, hung.out(..)), Ok(8));
    assert_eq!(hung.load(), b"12345678");
    process.exit();
    kernel.kldunload(id).unwrap();
}

#[test]
fn a_panic_ends_a_page_fault() {
    let (kernel, _id, process, fd) = boot("kpi");
    let (holder, held) = copy(&process, fd, XCOPY, &Arc::new(UserMem::hung(4)));
    kernel.wait_asleep(holder.pid(), "hungpg").unwrap();
    let misuse = 0xc004_0000 | u64::from(b'K') << 8 | 100;
    assert_eq!(process.ioctl(fd, misuse, &mut [0; 4]), Err(Errno::PANICKED));
    assert!(matches!(held.wait(), Ok(Err(Errno::PANICKED)) | Err(_)));
}
