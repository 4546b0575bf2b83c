//! uio(9) and copy(9).

use kldhost::*;

use super::Kpi;

#[test]
fn reads_at_an_offset() {
    let kpi = Kpi::new();
    let mut buf = [0; 8];
    assert_eq!(kpi.process.pread(kpi.fd, &mut buf, 1), Ok(3));
    assert_eq!(&buf[..3], b"pi\n");
    assert_eq!(kpi.process.pread(kpi.fd, &mut buf, 4), Ok(0));
    assert_eq!(kpi.process.pread(kpi.fd, &mut buf, -1), Err(Errno::EINVAL));
    assert_eq!(kpi.process.read(kpi.fd, &mut buf[..3]), Ok(3));
    assert_eq!(
        kpi.process.read(kpi.fd, &mut buf[..3]),
        Ok(1),
        "where the last one has ended"
    );
    assert_eq!(kpi.process.read(kpi.fd, &mut buf[..3]), Ok(0));
    kpi.unload();
}

#[test]
fn copyin_and_copyout_reach_user_memory_only() {
    let kpi = Kpi::new();
    // _IOW('K', 202, struct user_string)
    let turn = 0x8010_0000 | u64::from(b'K') << 8 | 202;
    let string = |addr: usize, size: usize| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&addr.to_ne_bytes());
        bytes[8..].copy_from_slice(&size.to_ne_bytes());
        bytes
    };
    let memory = UserMem::new(5);
    memory.store(0, b"abcde");
    kpi.process
        .ioctl(kpi.fd, turn, &mut string(memory.addr(), 5))
        .unwrap();
    assert_eq!(memory.load(), b"edcba");
    assert_eq!(
        kpi.process
            .ioctl(kpi.fd, turn, &mut string(memory.addr(), 6)),
        Err(Errno::EFAULT)
    );
    assert_eq!(
        kpi.process.ioctl(kpi.fd, turn, &mut string(0, 1)),
        Err(Errno::EFAULT)
    );
    let ours = [0u8; 4];
    assert_eq!(
        kpi.process
            .ioctl(kpi.fd, turn, &mut string(ours.as_ptr().addr(), 4)),
        Err(Errno::EFAULT)
    );
    kpi.unload();
}
