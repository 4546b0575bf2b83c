//! Calls that may sleep, each on its own thread.

use super::machine::{Ended, Slot};
use super::perform::{Done, Question, Work};
use super::stream::Writer;
use kldhost::{Call, Interrupt};

/// A call that has not ended, or has just ended.
pub struct Pending {
    /// The process that makes it.
    pub slot: usize,
    /// The number of changes of that process's descriptors when it began.
    pub generation: u32,
    /// Interrupts it.
    pub token: Interrupt,
    /// The condition that it waits for, if that can be queried without side effects.
    pub question: Option<Question>,
    /// Whether it is a kevent(2).
    pub is_kevent: bool,
    /// Its bytes, if it is a write.
    pub writer: Option<Writer>,
    call: Call<Done>,
}

impl Pending {
    /// Starts a call of the process in slot `at`. The call may sleep without limit.
    pub fn start(at: usize, slot: &Slot, mut work: Work, writer: Option<Writer>) -> Pending {
        let token = Interrupt::new();
        let (question, is_kevent) = (work.question(), matches!(work, Work::Kevent { .. }));
        let theirs = token.clone();
        let call = slot.process.spawn(move |process| {
            process.interruptible(&theirs, |process| work.perform(process, true))
        });
        Pending {
            slot: at,
            generation: slot.generation,
            token,
            question,
            is_kevent,
            writer,
            call,
        }
    }

    /// Whether it has ended.
    pub fn is_done(&self) -> bool {
        self.call.is_done()
    }

    /// Its result, once it has ended.
    ///
    /// # Panics
    ///
    /// If the kernel has panicked, with its report.
    pub fn end(self) -> Ended {
        (
            self.call.wait().unwrap_or_else(|report| panic!("{report}")),
            self.writer,
        )
    }
}
