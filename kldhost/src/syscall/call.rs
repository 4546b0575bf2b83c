//! Calls on threads of their own.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::{Kernel, Process};
use crate::kern::report::Report;
use crate::machine::sync::{Arc, Mutex, spawn};

/// A closure that runs on its own thread, see [`Process::spawn`].
pub struct Call<T> {
    kernel: Kernel,
    result: Shared<T>,
}

/// The result of the thread: none yet, a value, or a panic.
type Shared<T> = Arc<Mutex<Option<Result<T, Box<dyn Any + Send>>>>>;

impl<T> Call<T> {
    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// The report, if the kernel panics before the closure has ended. It never hangs for that
    /// reason.
    ///
    /// # Panics
    ///
    /// If the closure panicked, with the same message.
    pub fn wait(self) -> Result<T, Box<Report>> {
        let ended = self
            .kernel
            .kern
            .events
            .wait(None, || match self.result.lock().take() {
                Some(result) => Some(Ok(result)),
                None => self
                    .kernel
                    .panic_report()
                    .map(|report| Err(Box::new(report))),
            });
        match ended.expect("waited without a limit")? {
            Ok(value) => Ok(value),
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Whether the closure has ended.
    pub fn is_done(&self) -> bool {
        self.result.lock().is_some()
    }
}

impl Process {
    /// Runs `body` on a new thread of this process.
    pub fn spawn<T: Send + 'static>(
        &self,
        body: impl FnOnce(&Process) -> T + Send + 'static,
    ) -> Call<T> {
        let result = Shared::<T>::default();
        let (process, theirs) = (self.clone(), result.clone());
        spawn(format!("process {}", self.pid()), move || {
            let ended = catch_unwind(AssertUnwindSafe(|| body(&process)));
            *theirs.lock() = Some(ended);
            process.kernel().kern.events.notify_always();
        });
        Call {
            kernel: self.kernel().clone(),
            result,
        }
    }
}
