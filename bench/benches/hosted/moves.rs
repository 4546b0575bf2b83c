//! Bytes that one thread moves.

use super::{measure, time};
use bench::cases::{DRAIN, DRIVERS, FILL, Group, OPEN, OWN, PAIR, RESIZE, Subject};
use bench::host::{Device, Host};
use criterion::Criterion;
use kldhost::O_RDWR;
use std::hint::black_box;
use std::time::Duration;

/// Adds the measurements.
pub fn add(c: &mut Criterion, host: &Host) {
    for &size in PAIR.values {
        for driver in DRIVERS {
            pair(c, host, driver, size);
        }
        memcpy(c, &PAIR, size, size as usize, 2);
    }
    for (group, step) in [(&DRAIN, drain as Step), (&FILL, fill as Step)] {
        for &size in group.values {
            for driver in DRIVERS {
                one_by_one(c, host, group, driver, size, step);
            }
            memcpy(c, group, size, 1, 1);
        }
    }
    for driver in DRIVERS {
        open(c, host, driver);
        own(c, host, driver);
    }
    for &size in RESIZE.values {
        for driver in DRIVERS {
            resize(c, host, driver, size);
        }
        memcpy(c, &RESIZE, size, size as usize, 1);
    }
}

fn pair(c: &mut Criterion, host: &Host, driver: Subject, size: u64) {
    let device = host.open(driver, size as usize).expect("open");
    let (from, mut to) = (vec![1; size as usize], vec![0; size as usize]);
    measure(c, &PAIR, driver, size, |times| {
        time::of_thread(|| {
            for _ in 0..times {
                device.write(&from).expect("write");
                device.read(&mut to).expect("read");
            }
        })
    });
}

fn memcpy(c: &mut Criterion, group: &Group, value: u64, len: usize, copies: usize) {
    let mut buffers = vec![vec![1_u8; len]; copies + 1];
    measure(c, group, Subject::Memcpy, value, |times| {
        time::of_thread(|| {
            for _ in 0..times {
                for to in 1..buffers.len() {
                    let (from, to) = buffers.split_at_mut(to);
                    black_box(&mut to[0]).copy_from_slice(black_box(&from[from.len() - 1]));
                }
            }
        })
    });
}

/// Takes all bytes of a buffer of `size` out of the device, or puts them in. The buffer has equal
/// parts. In each part, `each` single bytes are moved and timed, and the rest at once.
type Step = fn(&Device, &mut [u8], usize) -> Duration;

/// The parts in which a large buffer is measured, so that the cost at every level has its share.
const PARTS: usize = 16;

fn one_by_one(
    c: &mut Criterion,
    host: &Host,
    group: &Group,
    driver: Subject,
    size: u64,
    step: Step,
) {
    let device = host.open(driver, size as usize).expect("open");
    let bytes = vec![1; size as usize];
    // Small buffers are moved whole. For large ones, the share is smaller if the baseline takes
    // longer for a byte.
    let parts = if size <= 4096 { 1 } else { PARTS };
    let share = if driver == Subject::Baseline && group.name == DRAIN.name {
        (64 << 20) / size
    } else {
        4096
    };
    let each = (size as usize / parts).min(share as usize);
    let mut part = vec![0; size as usize / parts];
    measure(c, group, driver, size, |times| {
        let mut sum = Duration::ZERO;
        for _ in 0..times {
            device.clear().expect("clear");
            if group.name == DRAIN.name {
                device.write(&bytes).expect("write");
            }
            for _ in 0..parts {
                sum += step(&device, &mut part, each);
            }
        }
        sum.div_f64((parts * each) as f64)
    });
}

fn drain(device: &Device, part: &mut [u8], each: usize) -> Duration {
    let timed = time::of_thread(|| {
        for _ in 0..each {
            device.read(&mut [0]).expect("read");
        }
    });
    device.read(&mut part[each..]).expect("read");
    timed
}

fn fill(device: &Device, part: &mut [u8], each: usize) -> Duration {
    let timed = time::of_thread(|| {
        for _ in 0..each {
            device.write(&[1]).expect("write");
        }
    });
    device.write(&part[each..]).expect("write");
    timed
}

fn open(c: &mut Criterion, host: &Host, driver: Subject) {
    let device = host.open(driver, 64).expect("open");
    measure(c, &OPEN, driver, OPEN.values[0], |times| {
        time::of_thread(|| {
            for _ in 0..times {
                let fd = device.process.open(device.path, O_RDWR).expect("open");
                device.process.close(fd).expect("close");
            }
        })
    });
}

fn own(c: &mut Criterion, host: &Host, driver: Subject) {
    let device = host.open(driver, 64).expect("open");
    measure(c, &OWN, driver, OWN.values[0], |times| {
        time::of_thread(|| {
            for _ in 0..times {
                device.write(&[]).expect("write");
            }
        })
    });
}

fn resize(c: &mut Criterion, host: &Host, driver: Subject, size: u64) {
    let size = size as usize;
    let device = host.open(driver, size).expect("open");
    device.write(&vec![1; size]).expect("write");
    measure(c, &RESIZE, driver, size as u64, |times| {
        let both = time::of_thread(|| {
            for _ in 0..times {
                device.resize(size + 1).expect("resize");
                device.resize(size).expect("resize");
            }
        });
        both / 2
    });
}
