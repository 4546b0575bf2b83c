//! The rules of the system-call layer, on a plain C driver.

mod life;
mod waiting;

use kldhost::sync::Duration;
use kldhost::*;

use crate::common;

struct Plain {
    kernel: Kernel,
    id: KldId,
    process: Process,
}

impl Plain {
    fn new() -> Plain {
        let (kernel, id) = common::boot("plain", Config::default());
        let process = kernel.process();
        Plain {
            kernel,
            id,
            process,
        }
    }

    fn open(&self, flags: i32) -> Fd {
        self.process.open("/dev/plain", flags).expect("open")
    }

    /// Applies a change, then takes the available events.
    fn kevent(&self, kq: Fd, changes: &[Kevent]) -> Vec<Kevent> {
        let mut events = [Kevent::default(); 8];
        let n = self
            .process
            .kevent(kq, changes, &mut events, Some(Duration::ZERO))
            .expect("kevent");
        events[..n].to_vec()
    }
}

#[test]
fn open_refuses_what_devfs_does_not_do() {
    let plain = Plain::new();
    let open = |path, flags| plain.process.open(path, flags);
    assert_eq!(open("/dev/plane", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open("plain", O_RDONLY), Err(Errno::ENOENT));
    assert_eq!(open("/dev/plane", O_RDWR | O_CREAT), Err(Errno::EOPNOTSUPP));
    assert_eq!(
        open("/dev/plain", O_RDWR | O_CREAT | O_EXCL),
        Err(Errno::EEXIST)
    );
    assert_eq!(open("/dev/plain", O_DIRECTORY), Err(Errno::ENOTDIR));
    assert_eq!(open("/dev/plain", O_ACCMODE), Err(Errno::EINVAL));
    assert_eq!(open("/dev/plain", O_WRONLY | O_CREAT | O_TRUNC), Ok(0));
}

#[test]
fn descriptors_share_their_description() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let dup = plain.process.dup(fd).unwrap();
    let child = plain.process.fork().unwrap();
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR));
    child.setfl(fd, O_NONBLOCK).unwrap();
    assert_eq!(plain.process.getfl(dup), Ok(O_RDWR | O_NONBLOCK));
    // d_close is called for the last of them. Until then there is a writer.
    plain.process.close(fd).unwrap();
    plain.process.close(dup).unwrap();
    let reader = plain.open(O_RDONLY | O_NONBLOCK);
    assert_eq!(
        plain.process.read(reader, &mut [0; 1]),
        Err(Errno::EWOULDBLOCK)
    );
    drop(child);
    assert_eq!(plain.process.read(reader, &mut [0; 1]), Ok(0));
}

#[test]
fn dup2_closes_what_was_there() {
    let plain = Plain::new();
    let (writer, reader) = (plain.open(O_RDWR), plain.open(O_RDONLY | O_NONBLOCK));
    assert_eq!(plain.process.dup2(writer, writer), Ok(writer));
    assert_eq!(plain.process.dup2(reader, writer), Ok(writer));
    assert_eq!(
        plain.process.read(reader, &mut [0; 1]),
        Ok(0),
        "no writer is left"
    );
    assert_eq!(plain.process.dup2(reader, 99), Ok(99));
    assert_eq!(plain.process.dup2(98, 1), Err(Errno::EBADF));
    assert_eq!(plain.process.dup2(reader, -1), Err(Errno::EBADF));
    assert_eq!(plain.process.dup(98), Err(Errno::EBADF));
}

#[test]
fn setfl_is_half_done_when_async_is_refused() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    assert_eq!(
        plain.process.setfl(fd, O_ASYNC | O_NONBLOCK),
        Err(Errno::EINVAL)
    );
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_ASYNC));
    assert_eq!(plain.process.setfl(fd, O_APPEND), Ok(()));
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_APPEND));
}

#[test]
fn transfers_are_checked_before_the_device_sees_them() {
    let plain = Plain::new();
    let (reader, writer) = (plain.open(O_RDONLY), plain.open(O_WRONLY));
    let process = &plain.process;
    assert_eq!(process.write(reader, b"x"), Err(Errno::EBADF));
    assert_eq!(process.read(writer, &mut [0; 1]), Err(Errno::EBADF));
    assert_eq!(process.read(77, &mut [0; 1]), Err(Errno::EBADF));
    assert_eq!(process.read(reader, &mut []), Ok(0));
    assert_eq!(
        process.read(reader, UserOut::unmapped(1 << 31)),
        Err(Errno::EINVAL)
    );
    let many: Vec<UserIn<'_>> = vec![b"x".into(); 1025];
    assert_eq!(process.writev(writer, &many), Err(Errno::EINVAL));
    assert_eq!(process.writev(writer, &many[..64]), Ok(64));
    let kq = process.kqueue().unwrap();
    assert_eq!(process.read(kq, &mut [0; 1]), Err(Errno::EOPNOTSUPP));
    assert_eq!(process.pread(kq, &mut [0; 1], 0), Err(Errno::ESPIPE));
}

#[test]
fn a_signal_after_part_of_the_data_gives_a_short_count() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    plain
        .process
        .sigaction(Signal::ALRM, SigAction::Handler { restart: true })
        .unwrap();
    let call = plain
        .process
        .spawn(move |process| process.write(fd, &[7; 100]));
    plain
        .kernel
        .wait_asleep(plain.process.pid(), "plainwr")
        .unwrap();
    plain.process.kill(Signal::ALRM);
    assert_eq!(call.wait().unwrap(), Ok(64));
}

#[test]
fn ioctl_copies_by_the_encoded_size() {
    let plain = Plain::new();
    let fd = plain.open(O_RDWR);
    let ioctl = |request, data: &mut [u8]| plain.process.ioctl(fd, request, data);
    assert_eq!(
        ioctl(0x1234, &mut [0; 4]),
        Err(Errno::ENOTTY),
        "no direction"
    );
    assert_eq!(
        ioctl(0x4000_667f, &mut [0; 4]),
        Err(Errno::ENOTTY),
        "no size"
    );
    assert_eq!(ioctl(FIONREAD, &mut [0; 3]), Err(Errno::EFAULT));
    let mut data = [0xff; 8];
    assert_eq!(ioctl(FIONREAD, &mut data), Ok(()));
    assert_eq!(data, [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(ioctl(FIODTYPE, &mut data), Ok(()));
    let memory = UserMem::new(8);
    let mut arg = [0; 16];
    arg[..4].copy_from_slice(&6_i32.to_ne_bytes());
    arg[8..].copy_from_slice(&memory.addr().to_ne_bytes());
    assert_eq!(ioctl(FIODGNAME, &mut arg), Ok(()));
    assert_eq!(&memory.load()[..6], b"plain\0");
    arg[0] = 5;
    assert_eq!(ioctl(FIODGNAME, &mut arg), Err(Errno::EINVAL));
    assert_eq!(
        plain.process.ioctl(fd, FIONBIO, &mut 1_i32.to_ne_bytes()),
        Ok(())
    );
    assert_eq!(plain.process.getfl(fd), Ok(O_RDWR | O_NONBLOCK));
}
