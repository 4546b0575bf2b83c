//! Expectations. A case returns at the first that is not met, with its place, the expected value
//! and the actual one.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Debug};
use core::panic::Location;

/// Why a case failed.
#[derive(Clone, Debug)]
pub struct Failure {
    place: &'static Location<'static>,
    what: String,
}

impl Failure {
    /// A failure at the caller's place in the source.
    #[track_caller]
    pub fn new(what: String) -> Failure {
        Failure {
            place: Location::caller(),
            what,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: {}",
            self.place.file(),
            self.place.line(),
            self.what
        )
    }
}

/// The result of a case.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Fails with `what` unless `met`. Used by `check!`.
#[track_caller]
pub fn is_met(met: bool, what: impl FnOnce() -> String) -> Outcome {
    if met {
        Ok(())
    } else {
        Err(Failure::new(what()))
    }
}

/// Fails unless `got`, the value of `expression`, equals `want`. Used by `check_eq!`.
#[track_caller]
pub fn is_equal<G: Debug + PartialEq<W>, W: Debug>(
    got: &G,
    want: &W,
    expression: &str,
    note: impl FnOnce() -> String,
) -> Outcome {
    is_met(got == want, || {
        format!(
            "{}{expression}: expected {}, got {}",
            note(),
            shown(want),
            shown(got)
        )
    })
}

/// Fails unless `got` is one of `wants`. Used by `check_one_of!`.
#[track_caller]
pub fn is_one_of<T: Debug + PartialEq>(got: &T, wants: &[T], expression: &str) -> Outcome {
    is_met(wants.contains(got), || {
        format!(
            "{expression}: expected one of {wants:?}, got {}",
            shown(got)
        )
    })
}

/// The value for messages. The middle of a long one is left out.
fn shown(value: &impl Debug) -> String {
    const END: usize = 200;
    let text = format!("{value:?}");
    if text.len() <= 2 * END || !text.is_ascii() {
        return text;
    }
    format!(
        "{} ... {} ({} characters)",
        &text[..END],
        &text[text.len() - END..],
        text.len()
    )
}

/// Fails the case with the formatted text unless the condition holds.
macro_rules! check {
    ($met:expr, $($what:tt)+) => {
        $crate::check::is_met($met, || alloc::format!($($what)+))?
    };
}

/// Fails the case unless the first value equals the second. An optional note is put before the
/// message.
macro_rules! check_eq {
    ($got:expr, $want:expr $(,)?) => {
        $crate::check::is_equal(&$got, &$want, stringify!($got), alloc::string::String::new)?
    };
    ($got:expr, $want:expr, $($note:tt)+) => {
        $crate::check::is_equal(&$got, &$want, stringify!($got), || alloc::format!($($note)+) + ": ")?
    };
}

/// Fails the case unless the value is one of those in the list.
macro_rules! check_one_of {
    ($got:expr, [$($want:expr),+ $(,)?]) => {
        $crate::check::is_one_of(&$got, &[$($want),+], stringify!($got))?
    };
}
