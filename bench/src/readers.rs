//! Threads that are blocked in read(2), and get one byte at a time.

use crate::cases::Subject;
use crate::host::{Device, Host};
use kldhost::sync::Duration;
use kldhost::{Call, Kernel, ThreadState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::{self, Thread};

/// The readers. The thread that has started them writes their bytes.
pub struct Readers {
    kernel: Kernel,
    device: Device,
    delivered: Arc<AtomicU64>,
    calls: Vec<Call<()>>,
}

impl Readers {
    /// Starts `count` readers of one byte at a time, and waits until all of them sleep.
    ///
    /// # Panics
    ///
    /// If a system call fails.
    pub fn start(host: &Host, driver: Subject, count: usize) -> Self {
        let device = host.open(driver, 64).expect("open");
        let delivered = Arc::new(AtomicU64::new(0));
        let read = |_| {
            let (device, delivered, feeder): (Device, _, Thread) =
                (device.clone(), delivered.clone(), thread::current());
            device.process.clone().spawn(move |_| {
                let mut byte = [0];
                loop {
                    device.read(&mut byte).expect("read");
                    if byte[0] == STOP {
                        break;
                    }
                    delivered.fetch_add(1, SeqCst);
                    feeder.unpark();
                }
            })
        };
        let calls = (0..count).map(read).collect();
        let readers = Self {
            kernel: host.kernel.clone(),
            device,
            delivered,
            calls,
        };
        readers.wait_asleep();
        readers
    }

    /// Writes one byte, and waits until a reader has it.
    ///
    /// # Panics
    ///
    /// If a system call fails.
    pub fn feed(&self) {
        let before = self.delivered.load(SeqCst);
        self.device.write(&[0]).expect("write");
        while self.delivered.load(SeqCst) == before {
            thread::park();
        }
    }

    /// Waits until all readers are asleep.
    ///
    /// # Panics
    ///
    /// If they are not asleep within ten minutes, because a wake-up was lost elsewhere.
    pub fn wait_asleep(&self) {
        let asleep = self.kernel.wait_threads(Duration::from_secs(600), |all| {
            let sleeping = |state: &ThreadState| matches!(state, ThreadState::Sleeping { .. });
            all.iter()
                .filter(|td| td.pid == self.device.process.pid() && sleeping(&td.state))
                .count()
                == self.calls.len()
        });
        asleep.expect("all readers fall asleep");
    }

    /// Ends all readers.
    ///
    /// # Panics
    ///
    /// If one of them has failed.
    pub fn stop(self) {
        for _ in &self.calls {
            self.device.write(&[STOP]).expect("write");
        }
        for call in self.calls {
            call.wait().expect("no panic of the kernel");
        }
    }
}

/// The byte that ends the reader that gets it.
const STOP: u8 = 1;
