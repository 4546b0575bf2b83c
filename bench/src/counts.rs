//! Counts that are the same on every machine, of KPI calls, threads woken, and bytes of memory and
//! of code.

use crate::cases::{DRIVERS, Subject};
use crate::host::{Device, Host, module};
use crate::readers::Readers;
use anyhow::{Context, Result};
use kldhost::{KpiHook, O_RDWR, POLLIN, PollFd, image, inspect};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread;

/// KPI functions that wake or notify waiting threads.
const WAKING: [&str; 5] = ["wakeup", "wakeup_one", "wakeup_any", "selwakeup", "knote"];

/// The calls of one operation, by function.
pub type Calls = BTreeMap<&'static str, f64>;

/// The KPI calls of an operation while no thread waits.
pub struct Operation {
    /// The operation.
    pub title: &'static str,
    /// The calls, of the driver and the baseline.
    pub calls: [Calls; 2],
}

/// The counts for threads that wait for each other.
pub struct Waking {
    /// The operation and its unit.
    pub title: String,
    /// Threads woken, for the driver and the baseline.
    pub woken: [f64; 2],
    /// Calls that wake.
    pub calls: [f64; 2],
}

/// All counts.
pub struct Counts {
    /// Operations while no thread waits.
    pub operations: Vec<Operation>,
    /// Threads that wait.
    pub waking: Vec<Waking>,
    /// Bytes of the driver's code.
    pub text: u64,
    /// Bytes of kernel memory that the driver uses, without the buffer.
    pub memory: usize,
}

/// Blocked readers whose wake-ups are counted.
pub const READERS: [usize; 3] = [1, 8, 64];

/// Takes all counts.
///
/// # Errors
///
/// A module cannot be loaded, or a system call fails.
pub fn count() -> Result<Counts> {
    let counter = Arc::new(Mutex::new(Calls::new()));
    let counted = counter.clone();
    let hook: KpiHook = Arc::new(move |call| {
        *counted
            .lock()
            .expect("no panic")
            .entry(call.name)
            .or_default() += 1.0;
        None
    });
    let host = Host::boot(Some(hook))?;
    let counter = Counter(counter);
    let operations = operations(&host, &counter)?;
    let mut waking: Vec<Waking> = READERS
        .iter()
        .map(|&readers| fed(&host, &counter, readers))
        .collect();
    waking.push(streamed(&host, &counter));

    let size = 64;
    host.open(Subject::Echodev, size)?;
    let in_use = host.kernel.malloc_stats(Subject::Echodev.name());
    Ok(Counts {
        operations,
        waking,
        text: text()?,
        memory: in_use.bytes - size,
    })
}

/// The calls of a hosted kernel.
struct Counter(Arc<Mutex<Calls>>);

impl Counter {
    /// The calls that `body` makes, divided by `times`.
    fn of(&self, times: usize, body: impl FnOnce()) -> Calls {
        self.0.lock().expect("no panic").clear();
        body();
        let mut calls = std::mem::take(&mut *self.0.lock().expect("no panic"));
        calls.values_mut().for_each(|n| *n /= times as f64);
        calls
    }
}

/// Calls that wake a thread if one waits.
pub fn waking(calls: &Calls) -> f64 {
    of_all(calls, &WAKING)
}

type Act = fn(&Device);

fn operations(host: &Host, counter: &Counter) -> Result<Vec<Operation>> {
    let acts: [(&'static str, Act); 6] = [
        ("write and read of 64 bytes, a full buffer", |device| {
            device.write(&[1; 64]).expect("write");
            device.read(&mut [0; 64]).expect("read");
        }),
        ("write and read of one byte", |device| {
            device.write(&[1]).expect("write");
            device.read(&mut [0]).expect("read");
        }),
        ("poll(2) of what is ready", |device| {
            let ready = device
                .process
                .poll(&mut [PollFd::new(device.fd, POLLIN | kldhost::POLLOUT)], 0);
            assert_eq!(ready, Ok(1));
        }),
        ("open(2) and close(2)", |device| {
            let fd = device.process.open(device.path, O_RDWR).expect("open");
            device.process.close(fd).expect("close");
        }),
        ("ECHODEV_SBUFSIZE, twice", |device| {
            device.resize(65).expect("resize");
            device.resize(64).expect("resize");
        }),
        ("ECHODEV_CLEAR", |device| device.clear().expect("clear")),
    ];
    let of = |act: Act, driver| -> Result<Calls> {
        let device = host.open(driver, 64)?;
        Ok(counter.of(1, || act(&device)))
    };
    acts.into_iter()
        .map(|(title, act)| {
            Ok(Operation {
                title,
                calls: [of(act, DRIVERS[0])?, of(act, DRIVERS[1])?],
            })
        })
        .collect()
}

/// Readers get one byte whenever all of them are asleep.
fn fed(host: &Host, counter: &Counter, count: usize) -> Waking {
    const BYTES: usize = 50;
    let calls = DRIVERS.map(|driver| {
        let readers = Readers::start(host, driver, count);
        let calls = counter.of(BYTES, || {
            for _ in 0..BYTES {
                readers.feed();
                readers.wait_asleep();
            }
        });
        readers.stop();
        calls
    });
    to_waking(format!("a byte for one of {count} blocked readers"), &calls)
}

/// A message passes a smaller buffer.
fn streamed(host: &Host, counter: &Counter) -> Waking {
    const MESSAGE: usize = 1 << 20;
    let calls = DRIVERS.map(|driver| {
        let device = host.open(driver, 4096).expect("open");
        counter.of(1, || {
            thread::scope(|scope| {
                scope.spawn(|| device.write(&vec![1; MESSAGE]).expect("write"));
                let mut left = MESSAGE;
                while left != 0 {
                    left -= device.read(&mut [0; 4096]).expect("read");
                }
            });
        })
    });
    to_waking("1 MiB between two threads through 4 KiB".into(), &calls)
}

fn to_waking(title: String, calls: &[Calls; 2]) -> Waking {
    let of = |f: fn(&Calls) -> f64| [f(&calls[0]), f(&calls[1])];
    // A thread that is woken sleeps once more before the end.
    Waking {
        title,
        woken: of(|calls| calls.get("_sleep").copied().unwrap_or(0.0)),
        calls: of(sleepers_waking),
    }
}

fn sleepers_waking(calls: &Calls) -> f64 {
    of_all(calls, &["wakeup", "wakeup_one", "wakeup_any"])
}

fn of_all(calls: &Calls, names: &[&str]) -> f64 {
    names
        .iter()
        .filter_map(|name| calls.get(name))
        .fold(0.0, |sum, n| sum + n)
}

/// Bytes of instructions in the driver's file.
fn text() -> Result<u64> {
    let file = module(Subject::Echodev)?;
    let bytes = image::read_file(&file).map_err(|error| anyhow::anyhow!("{error}"))?;
    let report = inspect::inspect(&bytes).context("the driver's file cannot be read")?;
    Ok(report
        .sections
        .iter()
        .filter(|section| section.execute)
        .map(|section| section.size)
        .sum())
}
