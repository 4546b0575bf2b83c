//! Threads that stay away while they leave a module, `testmods/stays.c`. The explorer must find
//! each way in which such a thread still executes or reads the module. The safe way must pass.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::explore::{BATCH, Failure, Seed, Strategy, explore};
use kldhost_shuttle::sync::{fail, quiesce, spawn};
use kldhost_shuttle::{Config, EV_ADD, EVFILT_READ, Errno, Kernel, Kevent, O_RDWR, Process};

/// A way to leave the module.
#[derive(Clone, Copy)]
pub struct Way {
    /// The fault.
    pub name: &'static str,
    /// The number of the way in `testmods/stays.c`.
    number: u32,
    /// The text that the report must contain; `None` if the way is safe.
    expected: Option<&'static str>,
}

/// All of them.
pub const ALL: [Way; 6] = [
    Way {
        name: "safe",
        number: 0,
        expected: None,
    },
    Way {
        name: "detach",
        number: 1,
        expected: Some("is still in stays.ko: stays_detach_returns"),
    },
    Way {
        name: "unlock",
        number: 2,
        expected: Some("is still in stays.ko: stays_unlock_returns"),
    },
    Way {
        name: "destructor",
        number: 3,
        expected: Some("is still in stays.ko: stays_dtor_returns"),
    },
    Way {
        name: "table",
        number: 4,
        expected: Some("stays.ko"),
    },
    Way {
        name: "table_freed",
        number: 5,
        expected: Some("knotes still refer to a filter's table"),
    },
];

/// The number of schedules that must be enough.
const ENOUGH: usize = 2000;

fn file() -> PathBuf {
    let dir = std::env::var_os("ECHODEV_TESTMODS_DIR").map(PathBuf::from);
    let dir =
        dir.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/testmods"));
    dir.join("15/stays.ko")
}

impl Way {
    /// Finds it, twice; or finds nothing, if it is safe.
    ///
    /// # Errors
    ///
    /// The failure that was not found, or that was not expected.
    pub fn try_it(self) -> Result<(), String> {
        let file = file();
        let module = std::fs::read(&file)
            .map_err(|error| format!("{}: {error}: run `make test`", file.display()))?;
        let module = Arc::new(module);
        for strategy in [Strategy::Random, Strategy::Pct] {
            match (
                self.play(
                    &module,
                    Seed {
                        strategy,
                        number: 1,
                    },
                    ENOUGH,
                ),
                self.expected,
            ) {
                (Ok(()), None) => {}
                (Ok(()), Some(_)) => {
                    return Err(format!("{ENOUGH} {strategy} schedules went well"));
                }
                (Err(failure), Some(expected)) if failure.what.contains(expected) => {
                    let again = self.play(&module, failure.seed, BATCH);
                    if again.as_ref() != Err(&failure) {
                        return Err(format!("{failure}\nbut then: {again:?}"));
                    }
                }
                (Err(failure), _) => return Err(failure.to_string()),
            }
        }
        Ok(())
    }

    /// One thread closes a kqueue that has a knote on the device. Another closes the device, and a
    /// third unloads the module.
    fn play(self, module: &Arc<Vec<u8>>, first: Seed, count: usize) -> Result<(), Box<Failure>> {
        let module = module.clone();
        let explored = explore(first, count, move || {
            let tunables = vec![("hw.stays.way".to_owned(), self.number.to_string())];
            let kernel = Kernel::new(Config {
                tunables,
                ..Config::default()
            });
            let id = match kernel.kldload_bytes("stays.ko", &module) {
                Ok(id) => id,
                Err(error) => fail(format!("kldload: {error}")),
            };
            let results = Arc::new(Mutex::new(Vec::new()));
            let start =
                |name: &'static str, body: Box<dyn FnOnce() -> Result<(), Errno> + Send>| {
                    let results = results.clone();
                    spawn(name.to_owned(), move || {
                        let result = body();
                        results.lock().unwrap().push((name, result));
                    });
                };
            let process = kernel.process();
            let (kq, fd) = open(&process).unwrap_or_else(|error| fail(format!("open: {error}")));
            let (theirs, kernel) = (process.clone(), Arc::new(kernel));
            start("kqueue", Box::new(move || process.close(kq)));
            start("device", Box::new(move || theirs.close(fd)));
            let unloaded = kernel.clone();
            start("unload", Box::new(move || unloaded.kldunload(id)));
            quiesce(|| {
                kernel
                    .panic_report()
                    .map_or(Ok(()), |report| Err(report.to_string()))
            });
            let gone =
                |(_, result): &(_, Result<(), Errno>)| matches!(result, Ok(()) | Err(Errno::ENXIO));
            let results = results.lock().unwrap();
            if results.len() != 3 || !results.iter().all(gone) {
                fail(format!("not all have ended well: {results:?}"));
            }
        });
        explored.map(|_| ())
    }
}

/// A kqueue with a knote on the device, and the device.
fn open(process: &Process) -> Result<(i32, i32), Errno> {
    let fd = process.open("/dev/stays", O_RDWR)?;
    let kq = process.kqueue()?;
    process.kevent(kq, &[Kevent::new(fd, EVFILT_READ, EV_ADD)], &mut [], None)?;
    Ok((kq, fd))
}
