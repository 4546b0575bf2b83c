//! The measurements, by the names that the benchmarks and the report share.

/// The subject of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The driver.
    Echodev,
    /// The plain C driver, `bench/baseline.c`.
    Baseline,
    /// memcpy between buffers of this process, the cost of the bytes alone.
    Memcpy,
}

impl Subject {
    /// Its name in measured data. For the drivers, this is also the name of the module file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echodev => "echodev",
            Self::Baseline => "baseline",
            Self::Memcpy => "memcpy",
        }
    }
}

/// The drivers.
pub const DRIVERS: [Subject; 2] = [Subject::Echodev, Subject::Baseline];

/// A group of measurements that differ in one number.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// Its name in measured data.
    pub name: &'static str,
    /// The operation and its unit, for the report.
    pub title: &'static str,
    /// The meaning of the number.
    pub parameter: &'static str,
    /// The numbers measured.
    pub values: &'static [u64],
    /// System calls in one operation. It is 0 if threads wait for each other, because the calls are
    /// then only a small part.
    pub calls: u32,
    /// Whether memcpy is also measured.
    pub memcpy: bool,
}

/// write(2) and then read(2) of n bytes, through a buffer of that size.
pub const PAIR: Group = Group {
    name: "pair",
    title: "write and read of n bytes, through a buffer of that size (memcpy: two of them)",
    parameter: "n",
    values: &[1, 64, 4 << 10, 64 << 10, 1 << 20],
    calls: 2,
    memcpy: true,
};
/// Sizes of buffers that are drained and filled.
const BUFFERS: &[u64] = &[64, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20];
/// A full buffer is read one byte at a time.
pub const DRAIN: Group = Group {
    name: "drain",
    title: "draining a full buffer by one-byte reads, per byte (memcpy: of one byte)",
    parameter: "buffer",
    values: BUFFERS,
    calls: 1,
    memcpy: true,
};
/// An empty buffer is written one byte at a time.
pub const FILL: Group = Group {
    name: "fill",
    title: "filling an empty buffer by one-byte writes, per byte (memcpy: of one byte)",
    parameter: "buffer",
    values: BUFFERS,
    calls: 1,
    memcpy: true,
};
/// A message passes a smaller buffer, between two threads.
pub const STREAM: Group = Group {
    name: "stream",
    title: "1 MiB between two threads, in one write, through a smaller buffer, per message",
    parameter: "buffer",
    values: &[4 << 10, 64 << 10],
    calls: 0,
    memcpy: false,
};
/// One byte there and back, between two threads.
pub const PINGPONG: Group = Group {
    name: "pingpong",
    title: "one byte there and back between two threads, over two devices, per round trip",
    parameter: "",
    values: &[1],
    calls: 0,
    memcpy: false,
};
/// Blocked readers get one byte at a time.
pub const READERS: Group = Group {
    name: "readers",
    title: "n threads blocked in read(2) fed one byte at a time, CPU time of all threads per byte",
    parameter: "n",
    values: &[1, 8, 64],
    calls: 0,
    memcpy: false,
};
/// poll(2), then read(2).
pub const POLL: Group = Group {
    name: "poll",
    title: "write one byte, poll(2) for it, read it",
    parameter: "",
    values: &[1],
    calls: 3,
    memcpy: false,
};
/// write(2) and read(2) with knotes attached.
pub const KNOTES: Group = Group {
    name: "knotes",
    title: "write and read of 64 bytes with n knotes (EVFILT_READ, EV_CLEAR) attached",
    parameter: "n",
    values: &[1, 100, 10_000],
    calls: 2,
    memcpy: false,
};
/// open(2), close(2).
pub const OPEN: Group = Group {
    name: "open",
    title: "open(2) for reading and writing, close(2)",
    parameter: "",
    values: &[1],
    calls: 2,
    memcpy: false,
};
/// ECHODEV_SBUFSIZE.
pub const RESIZE: Group = Group {
    name: "resize",
    title: "resize of a full buffer of n bytes (by one byte, and back; memcpy: of n bytes)",
    parameter: "n",
    values: &[64, 64 << 10, 1 << 20],
    calls: 1,
    memcpy: true,
};
/// A write(2) of no bytes.
pub const OWN: Group = Group {
    name: "own",
    title: "write(2) of no bytes: the system call of kldhost, and a driver that returns at once",
    parameter: "",
    values: &[0],
    calls: 1,
    memcpy: false,
};

/// All groups, in the order of the report.
pub const GROUPS: [Group; 11] = [
    PAIR, DRAIN, FILL, STREAM, PINGPONG, READERS, POLL, KNOTES, OPEN, RESIZE, OWN,
];

impl Group {
    /// The subjects that are measured for each number.
    pub fn subjects(&self) -> &'static [Subject] {
        if self.memcpy {
            &[Subject::Echodev, Subject::Baseline, Subject::Memcpy]
        } else {
            &DRIVERS
        }
    }
}

/// The number of measurements in one round.
pub fn count() -> usize {
    GROUPS
        .iter()
        .map(|group| group.values.len() * group.subjects().len())
        .sum()
}
