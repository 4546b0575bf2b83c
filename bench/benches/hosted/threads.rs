//! Bytes that go from thread to thread.

use super::{measure, time};
use bench::cases::{DRIVERS, PINGPONG, READERS, STREAM, Subject};
use bench::host::{Device, Host};
use bench::readers::Readers;
use criterion::Criterion;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// Adds the measurements.
pub fn add(c: &mut Criterion, host: &Host) {
    for &size in STREAM.values {
        for driver in DRIVERS {
            stream(c, host, driver, size);
        }
    }
    let other = Host::boot(None).expect("the drivers load once more");
    for driver in DRIVERS {
        pingpong(c, host, &other, driver);
    }
    for &count in READERS.values {
        for driver in DRIVERS {
            readers(c, host, driver, count);
        }
    }
}

/// The length of a message.
const MESSAGE: usize = 1 << 20;
/// The length that its reader asks for at once.
const REQUEST: usize = 64 << 10;

/// Runs `one` here and times it. `other` runs on another thread, which has started before.
fn together(one: impl FnOnce(), other: impl FnOnce() + Send) -> Duration {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            ready.wait();
            other();
        });
        ready.wait();
        time::of_clock(one)
    })
}

fn stream(c: &mut Criterion, host: &Host, driver: Subject, size: u64) {
    let device = host.open(driver, size as usize).expect("open");
    let message = vec![1; MESSAGE];
    let receive = |times: u64| {
        let mut buf = vec![0; REQUEST];
        let mut left = times as usize * MESSAGE;
        while left != 0 {
            left -= device.read(&mut buf).expect("read");
        }
    };
    let send = |times: u64| (0..times).for_each(|_| device.write(&message).expect("write"));
    measure(c, &STREAM, driver, size, |times| {
        together(|| receive(times), || send(times))
    });
}

fn pingpong(c: &mut Criterion, host: &Host, other: &Host, driver: Subject) {
    let [there, back] = [host, other].map(|host| host.open(driver, 64).expect("open"));
    let pass = |from: &Device, to: &Device| {
        from.read(&mut [0]).expect("read");
        to.write(&[1]).expect("write");
    };
    measure(c, &PINGPONG, driver, PINGPONG.values[0], |times| {
        let play = || {
            for _ in 0..times {
                there.write(&[1]).expect("write");
                back.read(&mut [0]).expect("read");
            }
        };
        together(play, || (0..times).for_each(|_| pass(&there, &back)))
    });
}

fn readers(c: &mut Criterion, host: &Host, driver: Subject, count: u64) {
    measure(c, &READERS, driver, count, |times| {
        let readers = Readers::start(host, driver, count as usize);
        let taken = time::of_process(|| {
            for _ in 0..times {
                readers.feed();
            }
            readers.wait_asleep();
        });
        readers.stop();
        taken
    });
}
