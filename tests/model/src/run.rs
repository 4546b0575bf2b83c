//! Model and module, run together.

use crate::call::{Call, Outcome};
use crate::explain::{Seen, explain};
use crate::perform::{SIGNAL, perform};
use crate::system::{DONE, Op, System};
use crate::trap::{Fault, Trap, as_caller};
use hosts::Subject;
use kldhost::{Config, Errno, Kernel, KpiHook, Process, SigAction, ThreadInfo, ThreadState};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Processes that make calls.
pub const PROCS: usize = 5;
/// The process for actions of another process.
pub const ADMIN: usize = PROCS;
/// Another process, which acts in the middle of a step.
pub const INTRUDER: usize = PROCS + 1;

/// Far more than any step takes.
const LIMIT: Duration = Duration::from_secs(10);
/// The wait channels of a process that waits for the device.
const SLEEPS: [&str; 4] = ["echord", "echowr", "select", "kqread"];
/// The module's malloc type.
const MALLOC_TYPE: &str = "echodev";

/// The module, and the release that it is hosted on.
///
/// # Panics
///
/// If the file is missing.
pub fn subject() -> &'static Subject {
    static SUBJECT: OnceLock<Subject> = OnceLock::new();
    SUBJECT.get_or_init(|| {
        let subject = Subject::one();
        if let Err(missing) = subject.check() {
            panic!("{missing}");
        }
        subject
    })
}

/// A process of the hosted kernel.
type Running = kldhost::Call<Outcome>;

/// A kernel with the module, and all systems of the model that explain its results.
pub struct Run {
    pub kernel: Kernel,
    loaded: Option<kldhost::KldId>,
    processes: Vec<Process>,
    running: HashMap<usize, Running>,
    pub systems: Vec<System>,
    /// A fault for the middle of a step.
    pub trap: Option<Arc<Trap>>,
    /// The calls so far, for messages.
    log: Vec<String>,
}

fn process(kernel: &Kernel) -> Process {
    let process = kernel.process();
    process
        .sigaction(SIGNAL, SigAction::Handler { restart: false })
        .expect("any process may handle that signal");
    process
}

impl Run {
    /// Boots a kernel and loads the module. `tunables` are the buffer's first size and its limit.
    pub fn begin(tunables: (usize, usize), hook: Option<KpiHook>) -> Result<Run, String> {
        let tunable = |name: &str, value: usize| (format!("hw.echodev.{name}"), value.to_string());
        let tunables_of_kernel = vec![
            tunable("bufsize", tunables.0),
            tunable("maxsize", tunables.1),
        ];
        let kernel = Kernel::new(Config {
            tunables: tunables_of_kernel,
            hook,
            release: subject().release,
            ..Config::default()
        });
        let loaded = Some(
            kernel
                .kldload(&subject().file)
                .map_err(|error| error.to_string())?,
        );
        let processes = (0..PROCS + 2).map(|_| process(&kernel)).collect();
        let systems = vec![System::new(tunables, PROCS + 2)];
        Ok(Run {
            kernel,
            loaded,
            processes,
            running: HashMap::new(),
            systems,
            trap: None,
            log: Vec::new(),
        })
    }

    /// Whether the process is in a call.
    pub fn is_busy(&self, proc: usize) -> bool {
        self.running.contains_key(&proc)
    }

    /// One of the possible systems. The parts that are the same in all of them are certain.
    pub fn known(&self) -> &System {
        &self.systems[0]
    }

    /// Whether the module is loaded.
    pub fn is_loaded(&self) -> bool {
        self.loaded.is_some()
    }

    /// Makes a call, waits until every call has ended or sleeps, and checks the results against the
    /// model.
    pub fn step(&mut self, proc: usize, call: Call) -> Result<(), String> {
        self.log.push(format!("{proc}: {call:?}"));
        let running = self.start(proc, &call);
        self.begun(proc, call, running);
        self.wait_for_rest()?;
        if let Some((call, running)) = self.trap.as_ref().and_then(|trap| trap.triggered()) {
            self.log.push(format!("   {INTRUDER}: {call:?}"));
            if call == Call::Unload {
                self.loaded = None;
            }
            self.begun(INTRUDER, call, running);
            self.wait_for_rest()?;
        }
        self.compare()
    }

    /// Records that a call has started.
    fn begun(&mut self, proc: usize, call: Call, running: Running) {
        self.running.insert(proc, running);
        for system in &mut self.systems {
            system.ops.push(Op::new(proc, call.clone()));
        }
    }

    /// The unload of the module by the intruder, for a trap.
    pub fn unloading(&self) -> Fault {
        Fault::Unload(
            self.processes[INTRUDER].clone(),
            self.loaded.expect("the module is loaded"),
        )
    }

    /// Starts the call on its own thread.
    fn start(&mut self, proc: usize, call: &Call) -> Running {
        let of = self.processes[proc].clone();
        match *call {
            Call::Fork { child } => match of.fork() {
                Ok(forked) => {
                    self.processes[child] = forked;
                    of.spawn(|_| DONE)
                }
                Err(error) => of.spawn(move |_| Err(error)),
            },
            Call::Signal { target } => {
                let target = self.processes[target].clone();
                of.spawn(move |_| {
                    target.kill(SIGNAL);
                    DONE
                })
            }
            Call::Kill { target } => {
                let killed = std::mem::replace(&mut self.processes[target], process(&self.kernel));
                of.spawn(move |_| {
                    killed.kill(kldhost::Signal::KILL);
                    DONE
                })
            }
            Call::Load => {
                let loaded = of.kldload(&subject().file);
                let outcome = loaded
                    .as_ref()
                    .map_or_else(|error| Err(error.errno()), |_| DONE);
                self.loaded = loaded.ok();
                of.spawn(|_| outcome)
            }
            Call::Unload => {
                let id = self.loaded.take();
                of.spawn(move |process| as_caller(proc, process, || unload(process, id)))
            }
            ref own => {
                let own = own.clone();
                of.spawn(move |process| as_caller(proc, process, || perform(process, &own)))
            }
        }
    }

    /// Waits until every call has ended or sleeps.
    fn wait_for_rest(&self) -> Result<(), String> {
        // A killed process has no entry under its number any more, so its call has to end.
        let pids: HashMap<usize, i32> = self
            .running
            .keys()
            .map(|&proc| (proc, self.processes[proc].pid()))
            .collect();
        let is_asleep = |threads: &[ThreadInfo], proc: usize| {
            proc < PROCS
                && threads
                    .iter()
                    .any(|td| td.pid == pids[&proc] && is_asleep(&td.state))
        };
        let at_rest = |_: &[ThreadInfo]| {
            let under_way: Vec<usize> = self
                .running
                .iter()
                .filter(|(_, call)| !call.is_done())
                .map(|(&proc, _)| proc)
                .collect();
            // These are checked last, because calls that have ended cannot wake them any more.
            let threads = self.kernel.threads();
            under_way.iter().all(|&proc| is_asleep(&threads, proc))
        };
        let settled = self.kernel.wait_threads(LIMIT, at_rest);
        if let Some(report) = self.kernel.panic_report() {
            return Err(self.report(&format!("the kernel stopped: {report}")));
        }
        settled.map_err(|what| self.report(&format!("neither ended nor asleep: {what}")))
    }

    /// Keeps the systems that explain the observed results.
    fn compare(&mut self) -> Result<(), String> {
        let mut seen = Seen::new();
        for (proc, call) in std::mem::take(&mut self.running) {
            if call.is_done() {
                let outcome = call
                    .wait()
                    .map_err(|report| self.report(&report.to_string()))?;
                self.log.push(format!("   {proc}: {outcome:?}"));
                seen.insert(proc, Some(outcome));
            } else {
                seen.insert(proc, None);
                self.running.insert(proc, call);
            }
        }
        let before = std::mem::take(&mut self.systems);
        let example = before.first().cloned();
        self.systems = explain(before, &seen);
        match self.systems.is_empty() {
            false => Ok(()),
            true => Err(self.report(&format!(
                "the model does not allow this: {seen:?}\nbefore it, one possibility: {example:?}"
            ))),
        }
    }

    fn report(&self, end: &str) -> String {
        format!("{}\n{end}", self.log.join("\n"))
    }

    /// Ends all processes, unloads, and checks that nothing is left.
    pub fn end(mut self) -> Result<(), String> {
        for target in 0..PROCS {
            self.step(ADMIN, Call::Kill { target })?;
        }
        if self.is_loaded() {
            self.step(ADMIN, Call::Unload)?;
        }
        if let Err(report) = self.kernel.check_memory() {
            return Err(self.report(&report.to_string()));
        }
        let (stats, leaks) = (self.kernel.malloc_stats(MALLOC_TYPE), self.kernel.leaks());
        if stats.allocations != 0 || !leaks.is_empty() {
            return Err(self.report(&format!(
                "memory is left after the unload: {stats:?} {leaks:?}"
            )));
        }
        Ok(())
    }
}

impl Drop for Run {
    /// Ends all sleeps after a failure.
    fn drop(&mut self) {
        for process in &self.processes {
            process.kill(kldhost::Signal::KILL);
        }
    }
}

/// kldunload(2).
pub fn unload(process: &Process, id: Option<kldhost::KldId>) -> Outcome {
    process.kldunload(id.ok_or(Errno::ENOENT)?).and(DONE)
}

fn is_asleep(state: &ThreadState) -> bool {
    matches!(state, ThreadState::Sleeping { wmesg } if SLEEPS.contains(&wmesg.as_str()))
}
