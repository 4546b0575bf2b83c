//! The life of processes and modules: signals, exit(2), kldload(2), kldunload(2).

use kldhost::*;

use super::Plain;
use crate::common;

#[test]
fn signals_outside_of_calls_and_the_end() {
    let plain = Plain::new();
    let process = &plain.process;
    process.kill(Signal::CHLD);
    process.sigaction(Signal::USR1, SigAction::Ignore).unwrap();
    process.kill(Signal::USR1);
    process
        .sigaction(Signal::USR1, SigAction::Handler { restart: false })
        .unwrap();
    process.kill(Signal::USR1);
    assert_eq!(process.handled(Signal::USR1), 1);
    assert_eq!(
        process.sigaction(Signal::KILL, SigAction::Ignore),
        Err(Errno::EINVAL)
    );
    assert_eq!(process.exit_status(), None);
    let fd = plain.open(O_RDWR);
    process.kill(Signal::TERM);
    assert_eq!(
        process.exit_status(),
        Some(ExitStatus::Signaled(Signal::TERM))
    );
    assert_eq!(process.write(fd, b"x"), Err(Errno::KILLED));
    let other = plain.kernel.process();
    let fd = other.open("/dev/plain", O_RDONLY).unwrap();
    assert_eq!(other.read(fd, &mut [0; 1]), Ok(0), "its writer is closed");
    other.exit();
    assert_eq!(other.exit_status(), Some(ExitStatus::Exited));
}

#[test]
fn kldload_checks_the_file() {
    let file = common::module("plain", Release::default());
    let old = Kernel::new(Config {
        release: Release::V14_0,
        ..Config::default()
    });
    let error = old.kldload(&file).expect_err("it is for 15");
    assert_eq!(error.errno(), Errno::ENOEXEC);
    assert_eq!(
        old.console(),
        ["KLD plain.ko: depends on kernel - not available or version mismatch"]
    );
    let later = Kernel::new(Config {
        release: Release::V15_1,
        ..Config::default()
    });
    let id = later.kldload(&file).unwrap();
    assert_eq!(
        later.kldload(&file).expect_err("it is there").errno(),
        Errno::EEXIST
    );
    let bytes = std::fs::read(&file).unwrap();
    let again = later
        .kldload_bytes("other.ko", &bytes)
        .expect_err("its module is there");
    assert_eq!(again.errno(), Errno::EEXIST);
    later.kldunload(id).unwrap();
    assert_eq!(later.kldunload(id), Err(Errno::ENOENT));
    assert_eq!(
        later
            .kldload("/no/such/file.ko".as_ref())
            .expect_err("not there")
            .errno(),
        Errno::ENOENT
    );
    assert_eq!(
        later
            .kldload_bytes("x.ko", b"text")
            .expect_err("not ELF")
            .errno(),
        Errno::ENOEXEC
    );
}

#[test]
fn unload_waits_for_those_inside() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let reader = plain
        .process
        .spawn(move |process| process.read(fd, &mut [0; 1]));
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "plainrd")
        .unwrap();
    plain.kernel.kldunload(plain.id).unwrap();
    assert_eq!(reader.wait().unwrap(), Err(Errno::ENXIO));
    assert_eq!(plain.process.read(fd, &mut [0; 1]), Err(Errno::EIO));
    assert_eq!(
        plain.process.ioctl(fd, FIONREAD, &mut [0; 4]),
        Err(Errno::ENXIO)
    );
    let mut fds = [PollFd::new(fd, POLLIN | POLLOUT)];
    assert_eq!(plain.process.poll(&mut fds, -1), Ok(1));
    assert_eq!(fds[0].revents, POLLIN | POLLHUP);
    let kq = plain.process.kqueue().unwrap();
    let add = [Kevent::new(fd, EVFILT_READ, EV_ADD)];
    assert_eq!(
        plain.process.kevent(kq, &add, &mut [], None),
        Err(Errno::ENXIO)
    );
    // The next lookup in /dev releases the vnode.
    assert_eq!(
        plain.process.open("/dev/plain", O_RDONLY),
        Err(Errno::ENOENT)
    );
    assert_eq!(
        plain.process.ioctl(fd, FIONREAD, &mut [0; 4]),
        Err(Errno::ENOTTY)
    );
    assert_eq!(plain.process.close(fd), Ok(()));
    assert_eq!(plain.kernel.panic_report(), None);
}
