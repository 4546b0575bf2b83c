//! Threads that wait with poll(2) and kevent(2).

use super::{measure, time};
use bench::cases::{DRIVERS, KNOTES, POLL, Subject};
use bench::host::Host;
use criterion::Criterion;
use kldhost::{EV_ADD, EV_CLEAR, EVFILT_READ, Kevent, O_RDONLY, POLLIN, PollFd};

/// Adds the measurements.
pub fn add(c: &mut Criterion, host: &Host) {
    for driver in DRIVERS {
        poll(c, host, driver);
    }
    for &count in KNOTES.values {
        for driver in DRIVERS {
            knotes(c, host, driver, count);
        }
    }
}

fn poll(c: &mut Criterion, host: &Host, driver: Subject) {
    let device = host.open(driver, 64).expect("open");
    measure(c, &POLL, driver, POLL.values[0], |times| {
        time::of_thread(|| {
            for _ in 0..times {
                device.write(&[1]).expect("write");
                let ready = device
                    .process
                    .poll(&mut [PollFd::new(device.fd, POLLIN)], -1);
                assert_eq!(ready, Ok(1));
                device.read(&mut [0]).expect("read");
            }
        })
    });
}

/// Knotes of one process. A process cannot have 10,000 descriptors open.
const PER_PROCESS: u64 = 1000;

fn knotes(c: &mut Criterion, host: &Host, driver: Subject, count: u64) {
    let device = host.open(driver, 64).expect("open");
    let waiters: Vec<_> = (0..count.div_ceil(PER_PROCESS))
        .map(|_| host.kernel.process())
        .collect();
    for waiter in &waiters {
        let kq = waiter.kqueue().expect("kqueue");
        for _ in 0..count.min(PER_PROCESS) {
            let fd = waiter.open(device.path, O_RDONLY).expect("open");
            waiter
                .kevent(
                    kq,
                    &[Kevent::new(fd, EVFILT_READ, EV_ADD | EV_CLEAR)],
                    &mut [],
                    None,
                )
                .expect("kevent");
        }
    }
    measure(c, &KNOTES, driver, count, |times| {
        time::of_thread(|| {
            for _ in 0..times {
                device.write(&[1; 64]).expect("write");
                device.read(&mut [0; 64]).expect("read");
            }
        })
    });
}
