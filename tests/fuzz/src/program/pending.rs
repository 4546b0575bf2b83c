//! Calls that may sleep, on threads of their own.

use super::machine::{Ended, Slot};
use super::perform::{Done, Question, Work};
use super::stream::Writer;
use kldhost::{Call, Interrupt};

/// A call that is under way, or has just ended.
pub struct Pending {
    /// Which process makes it.
    pub slot: usize,
    /// How often the descriptors of that process had changed when it began.
    pub generation: u32,
    /// Interrupts it.
    pub token: Interrupt,
    /// What it waits for, if that can be asked without consequences.
    pub question: Option<Question>,
    /// Whether it is a kevent(2).
    pub is_kevent: bool,
    /// What it writes.
    pub writer: Option<Writer>,
    call: Call<Done>,
}

impl Pending {
    /// Starts a call of the process in slot number `at`. It waits for as long as it takes.
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

    /// What came of it, once it has ended.
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
