//! Information from sysctl(3): the sleep of a process, allocations, and messages of the kernel.

use super::raw::Result;
use super::sysctl::{by_name, read_all, sysctl};
use super::wait::RawKevent;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::sync::atomic::AtomicUsize;
use suite::host::{MemoryStats, Pid};
use suite::sys::Kevent;

const CTL_KERN: i32 = 1;
const KERN_PROC: i32 = 14;
const KERN_PROC_PID: i32 = 1;

/// The size of `struct kinfo_proc`, and the offsets of the state and of the wait channel's name.
const KINFO_PROC: usize = 1088;
const KI_STAT: usize = 388;
const KI_WMESG: usize = 411;
const WMESGLEN: usize = 8;
/// `sys/proc.h`: asleep.
const SSLEEP: u8 = 3;

/// The name of the wait channel that the process sleeps on, or `None` if it is not asleep.
pub fn wmesg(pid: Pid) -> Result<Option<String>> {
    let mut info = [0u8; KINFO_PROC];
    sysctl(&[CTL_KERN, KERN_PROC, KERN_PROC_PID, pid], &mut info, &[])?;
    let name =
        CStr::from_bytes_until_nul(&info[KI_WMESG..=KI_WMESG + WMESGLEN]).unwrap_or_default();
    let asleep = info[KI_STAT] == SSLEEP && !name.is_empty();
    Ok(asleep.then(|| String::from_utf8_lossy(name.to_bytes()).into_owned()))
}

/// The variable that reports the kqueues of a process. FreeBSD 15.0 has it, and late 14.x.
pub const KQUEUES: &str = "kern.proc.kq";

/// `struct kinfo_knote` of `sys/user.h`, as far as it is used.
#[repr(C)]
struct KinfoKnote {
    kqueue: i32,
    event: RawKevent,
}

/// The events that the kqueues of the process wait for.
pub fn kqueues(pid: Pid) -> Result<Vec<Kevent>> {
    // The length is queried first each time, because 15.0 restarts the call without end instead of
    // reporting that there is not enough room.
    let len = AtomicUsize::new(0);
    let mut variable = by_name(KQUEUES)?;
    variable.push(pid);
    Ok(knotes(&read_all(&variable, &len)?))
}

/// The events in an array of `struct kinfo_knote`.
pub fn knotes(array: &[u8]) -> Vec<Kevent> {
    const KINFO_KNOTE: usize = 1160;
    let events = array
        .chunks_exact(KINFO_KNOTE)
        .map(|record| RawKevent::from_bytes(&record[core::mem::offset_of!(KinfoKnote, event)..]));
    events.map(|event| Kevent::from(&event)).collect()
}

/// The allocations of the malloc(9) type of this name. They are zero if there is no such type.
///
/// `kern.malloc_stats` is a header of 4 words: a version, the number of processors per type, the
/// number of types, 0. Then each type's name, 32 bytes, and for each processor 8 words of 64 bits:
/// bytes allocated, bytes freed, number of allocations, number of frees (`sys/malloc.h`).
pub fn malloc_stats(name: &str) -> Result<MemoryStats> {
    const HEADER: usize = 16;
    const NAME: usize = 32;
    const PER_CPU: usize = 64;
    static LEN: AtomicUsize = AtomicUsize::new(0);
    let stream = read_all(&by_name("kern.malloc_stats")?, &LEN)?;
    let cpus = stream.get(4..8).map_or(0, |word| {
        u32::from_le_bytes(word.try_into().unwrap_or_default())
    });
    let mut stats = MemoryStats::default();
    let types = stream.get(HEADER..).unwrap_or_default();
    for record in types.chunks_exact(NAME + cpus as usize * PER_CPU) {
        let (type_name, counts) = record.split_at(NAME);
        if CStr::from_bytes_until_nul(type_name)
            .is_ok_and(|type_name| type_name.to_bytes() == name.as_bytes())
        {
            for cpu in counts.chunks_exact(PER_CPU) {
                let word = |i: usize| {
                    u64::from_le_bytes(cpu[8 * i..8 * i + 8].try_into().unwrap_or_default())
                };
                // One processor may free the allocations of another, so only the sums have a
                // meaning.
                stats.bytes = stats.bytes.wrapping_add(word(0)).wrapping_sub(word(1));
                stats.allocations = stats
                    .allocations
                    .wrapping_add(word(2))
                    .wrapping_sub(word(3));
            }
        }
    }
    Ok(stats)
}

/// The kernel's message buffer, as dmesg(8) shows it.
#[derive(Default)]
pub struct Messages {
    seen: Vec<u8>,
}

impl Messages {
    /// The kernel's messages since the last call.
    pub fn since(&mut self) -> Result<String> {
        static LEN: AtomicUsize = AtomicUsize::new(0);
        let text = read_all(&by_name("kern.msgbuf")?, &LEN)?;
        // A full buffer loses messages at its beginning.
        let still_there = (0..=self.seen.len())
            .map(|lost| &self.seen[lost..])
            .find(|kept| text.starts_with(kept));
        let new = &text[still_there.map_or(0, <[u8]>::len)..];
        let new = String::from_utf8_lossy(new).into_owned();
        self.seen = text;
        Ok(new)
    }
}
