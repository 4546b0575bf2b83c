//! The releases of FreeBSD that a kernel can be, and where their kqueues differ.

use std::fmt;
use std::str::FromStr;

/// A release of FreeBSD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Release {
    /// 14.0, where `struct filterops` ends with f_touch.
    V14_0,
    /// 14.4, where core dumps and procstat(1) call f_userdump.
    V14_4,
    /// 15.0, which has f_userdump also.
    #[default]
    V15_0,
    /// 15.1, where fork(2) calls f_copy for each knote of a `KQUEUE_CPONFORK` kqueue.
    V15_1,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Release; 4] = [
        Release::V14_0,
        Release::V14_4,
        Release::V15_0,
        Release::V15_1,
    ];

    /// `__FreeBSD_version`, which decides which modules may be loaded.
    pub fn osreldate(self) -> i32 {
        match self {
            Release::V14_0 => 1_400_097,
            Release::V14_4 => 1_404_000,
            Release::V15_0 => 1_500_068,
            Release::V15_1 => 1_501_000,
        }
    }

    /// The oldest release in a module's range of kernel versions.
    pub fn first_in(range: std::ops::RangeInclusive<i32>) -> Option<Release> {
        Release::ALL
            .into_iter()
            .find(|release| range.contains(&release.osreldate()))
    }

    /// Whether the kernel can report the kqueues of a process (`kern.proc.kq`, core dumps).
    pub(crate) fn reports_kqueues(self) -> bool {
        self >= Release::V14_4
    }

    /// Whether it can copy a kqueue at fork(2), `KQUEUE_CPONFORK`.
    pub(crate) fn copies_kqueues(self) -> bool {
        self >= Release::V15_1
    }

    /// Whether it has this symbol of the KPI.
    pub(crate) fn has_symbol(self, name: &str) -> bool {
        name != "knote_triv_copy" || self.copies_kqueues()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Release::V14_0 => "14.0",
            Release::V14_4 => "14.4",
            Release::V15_0 => "15.0",
            Release::V15_1 => "15.1",
        })
    }
}

/// There is no such release here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not one of 14.0, 14.4, 15.0, 15.1")]
pub struct NoSuchRelease;

impl FromStr for Release {
    type Err = NoSuchRelease;

    fn from_str(text: &str) -> Result<Release, NoSuchRelease> {
        Release::ALL
            .into_iter()
            .find(|release| release.to_string() == text)
            .ok_or(NoSuchRelease)
    }
}
